"""The written forms of known values."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import ModelCorrupt
from gateway.tiers.forms import Forms, KnownValues
from gateway.values import fold_text

FORMS = Forms({"shop": KnownValues({"kedaimelurjaya2018": "KEDAI MELUR (JAYA) 2018"}, least=90)})


@pytest.mark.parametrize("marked", ["KEDAI MELUR JAYA 2018", "kedai,melur\njaya. 2018"])
def test_a_known_value_takes_its_usual_writing(marked):
    assert FORMS.value("shop", marked) == "KEDAI MELUR (JAYA) 2018"


def test_a_misreading_of_a_known_value_takes_it_too():
    assert FORMS.value("shop", "KEDAI MELVR JAYA 2018") == "KEDAI MELUR (JAYA) 2018"


@pytest.mark.parametrize("marked", ["KEDAI MELUR JAYA 2019", "KEDAI MELUR JAYA", "BUKU MELATI JAYA 2018"])
def test_other_digits_or_little_likeness_are_another_value(marked):
    assert FORMS.value("shop", marked) == marked


def test_a_field_without_known_values_only_loses_white_space():
    assert FORMS.value("total", " RM \n 9.00 ") == "RM 9.00"
    assert Forms().value("shop", "KEDAI\nMELUR") == "KEDAI MELUR"


@pytest.mark.parametrize("marked", ["", " ", ".,"])
def test_what_folds_to_nothing_is_no_misreading(marked):
    assert Forms({"shop": KnownValues({"a": "A"}, least=0)}).value("shop", marked) == marked.strip()


values = st.text(min_size=1, max_size=12).filter(fold_text)
known = st.builds(KnownValues, st.dictionaries(values.map(fold_text), values, max_size=5), st.floats(80, 100))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["shop", "address"]), known))
def test_forms_are_read_as_they_were_written(tmp_path, fields):
    forms = Forms(fields)
    forms.save(tmp_path / "forms.json")
    loaded = Forms.load(tmp_path / "forms.json")
    assert loaded == forms
    assert loaded.digest == forms.digest


def test_the_digest_tells_forms_apart():
    digests = {
        forms.digest
        for forms in (
            Forms(),
            FORMS,
            Forms({"shop": KnownValues({"a": "A"})}),
            Forms({"shop": KnownValues({"a": "a"})}),
            Forms({"address": KnownValues({"a": "A"})}),
            Forms({"shop": KnownValues({"a": "A"}, least=98)}),
        )
    }
    assert len(digests) == 6
    assert Forms({"shop": KnownValues({"a": "A", "b": "B"})}).digest == (
        Forms({"shop": KnownValues({"b": "B", "a": "A"})}).digest
    )


def test_without_a_file_there_are_no_forms(tmp_path):
    assert Forms.load(tmp_path / "forms.json") == Forms()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"shop": 1}',
        '{"shop": {}}',
        '{"shop": {"writings": {}, "least": "x"}}',
        '{"shop": {"writings": 1}}',
        '{"shop": {"writings": ["a"], "least": 97}}',
        '{"shop": {"writings": {"a": 1}, "least": 97}}',
    ],
)
def test_a_malformed_file_is_refused(tmp_path, content):
    path = tmp_path / "forms.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ModelCorrupt, match=r"forms\.json: malformed"):
        Forms.load(path)
