"""From the text to the value: a rule's own type, named steps, validators, and what the author vouches for."""

from __future__ import annotations

import pytest

from gateway.errors import RuleFileError
from gateway.home import Home
from gateway.policy import Policy
from gateway.tiers.rules import RulesTier, schema
from gateway.tiers.rules.normalising import STEPS
from tests.gateway.tiers.rules.conftest import Bench


@pytest.mark.parametrize(
    ("steps", "raw", "value"),
    [
        ("[upper]", "Straße", "STRASSE"),
        ("[lower]", "ABC", "abc"),
        ("[title]", "corner  SHOP o'neil", "Corner Shop O'neil"),
        ("[collapse-space]", "a  b \t c", "a b c"),
        ("[remove-space]", "a  b c", "abc"),
        ("[strip-punctuation]", "(*a-b*):", "a-b"),
        ("[digits-only]", "No. 12-34", "1234"),
        ("[ocr-digits]", "l2O.5S", "120.55"),
        ("[no-accents]", "Café Zürich", "Cafe Zurich"),
        ("[strip-punctuation, upper]", "-a-", "A"),
        ("[lower, upper]", "aB", "AB"),
    ],
)
def test_named_steps_rewrite_the_value_in_order(bench: Bench, steps: str, raw: str, value: str) -> None:
    bench.rules("shop", f"- {{id: one, kind: position, lines: {{first: 1}}, normalise: {steps}}}")
    [found] = bench.find("shop", raw)
    assert (found.value, found.text) == (value, raw)


def test_every_step_of_the_schema_does_something() -> None:
    assert {*STEPS, "canonical"} == set(schema.NormaliseStep.__args__)  # type: ignore[attr-defined]


def test_replace_comes_before_the_steps_and_validate_last(bench: Bench) -> None:
    bench.rules(
        "shop",
        r"""
        - id: one
          kind: pattern
          pattern: '#\S+'
          replace: [{pattern: '^#', by: 'no '}]
          normalise: [upper, remove-space]
          validate: {pattern: 'NO\d+'}
        """,
    )
    assert bench.values("shop", "#12 #x #345") == ["NO12", "NO345"]


def test_a_rule_s_own_type_says_what_the_value_must_be(bench: Bench) -> None:
    bench.rules("shop", r"- {id: one, kind: pattern, pattern: '[\d/]+', type: date, normalise: [canonical]}")
    [found] = bench.find("shop", "45/45/2018 and 04/05/2018")
    assert (found.text, found.value) == ("04/05/2018", "2018-05-04")
    # Candidates of all tiers are compared as the field's type.
    assert found.normalised == "2018-05-04"
    bench.rules("shop", r"- {id: one, kind: anchor, label: WHEN, type: date}")
    [found] = bench.find("shop", "WHEN 4 May 2018 or so")
    assert (found.value, found.normalised) == ("4 May 2018", "4may2018")


@pytest.mark.parametrize(
    ("field", "validate", "values"),
    [
        ("total", "{min: 5}", ["5.00", "11.50"]),
        ("total", "{max: 5.00}", ["2.00", "5.00"]),
        ("total", "{min: 2.5, max: 10}", ["5.00"]),
        ("total", '{min: "5"}', ["5.00", "11.50"]),
        ("total", "{max_length: 4}", ["2.00", "5.00"]),
        ("total", "{min_length: 5}", ["11.50"]),
        ("total", r"{pattern: '\d\d.*'}", ["11.50"]),
        ("total", r"{pattern: '\d'}", []),
    ],
)
def test_values_that_do_not_hold_are_dropped(bench: Bench, field: str, validate: str, values: list[str]) -> None:
    bench.rules(field, rf"- {{id: one, kind: pattern, pattern: '\d+\.\d\d', validate: {validate}}}")
    assert bench.values(field, "2.00 5.00 11.50") == values


@pytest.mark.parametrize("least", ["2018-03-01", '"2018-03-01"'])
def test_dates_lie_between_bounds(bench: Bench, least: str) -> None:
    bench.rules(
        "date", f"- {{id: one, kind: pattern, pattern: '{{{{date}}}}', validate: {{min: {least}, max: 2018-03-31}}}}"
    )
    assert bench.values("date", "28/02/2018, 01/03/2018, 31/03/2018, 01/04/2018") == ["01/03/2018", "31/03/2018"]


def test_percentages_and_times_have_an_order(bench: Bench) -> None:
    bench.rules(
        "shop", "- {id: one, kind: pattern, pattern: '{{percent}}', type: percent, validate: {min: 6, max: 20}}"
    )
    assert bench.values("shop", "5 %, 19 %, 60 %") == ["19 %"]
    bench.rules("shop", '- {id: one, kind: pattern, pattern: "{{time}}", type: time, validate: {min: "09:00"}}')
    assert bench.values("shop", "8:30 or 18:30") == ["18:30"]


@pytest.mark.parametrize(
    ("field", "validate", "key", "says"),
    [
        ("shop", "{min: 5}", "validate.min", "a text has no order"),
        ("total", "{max: soon}", "validate.max", "no number"),
        ("total", "{max: .inf}", "validate.max", "no number"),
        ("date", "{min: 5}", "validate.min", "no date"),
        ("total", "{pattern: '('}", "validate.pattern", "not a regular expression"),
        ("total", "{least: 5}", "validate.least", "unknown key"),
        ("total", "{min_length: 0}", "validate.min_length", "greater than or equal to 1"),
    ],
)
def test_validators_that_cannot_hold_are_refused(bench: Bench, field: str, validate: str, key: str, says: str) -> None:
    bench.rules(field, f"- {{id: one, kind: pattern, pattern: x, validate: {validate}}}")
    with pytest.raises(RuleFileError) as caught:
        bench.load()
    assert (caught.value.detail or {})["key"] == key
    assert says in caught.value.message


# --- word lists ---

WORDS = "- {id: known, kind: lookup, file: cities.txt, match: words%s}"


def test_entries_of_a_word_list_are_found_anywhere_as_whole_words(bench: Bench) -> None:
    bench.write("bills/cities.txt", "# cities\nKuala Lumpur\nKuala Lumpur Sentral\n\nIpoh\nSt. Mary's\n")
    bench.rules("items", WORDS % "")
    text = "KUALA  LUMPUR sentral, ipoh; Ipohs. kuala\nlumpur! at st mary's"
    found = bench.find("items", text)
    assert [candidate.value for candidate in found] == ["Kuala Lumpur Sentral", "Ipoh", "Kuala Lumpur", "St. Mary's"]
    assert [candidate.text for candidate in found] == ["KUALA  LUMPUR sentral", "ipoh", "kuala\nlumpur", "st mary's"]


def test_words_look_where_the_rule_looks_and_keep_the_text_s_writing(bench: Bench) -> None:
    bench.write("bills/cities.csv", "text,value\nKL,Kuala Lumpur\nIpoh,\n")
    rule = WORDS.replace("txt", "csv")
    bench.rules("shop", rule % ", lines: {first: 1}, forbid: {line: not}")
    assert bench.values("shop", "in KL\nin Ipoh") == ["Kuala Lumpur"]
    assert bench.values("shop", "not in KL\nin Ipoh") == []
    bench.rules("shop", rule % ", form: text")
    assert bench.values("shop", "in kl") == ["kl"]


def test_ten_thousand_entries_are_looked_up_by_their_first_word(bench: Bench) -> None:
    bench.write("bills/cities.txt", "".join(f"town{number} upon hill\n" for number in range(10_000)))
    bench.rules("shop", WORDS % "")
    assert bench.values("shop", "from town9999 upon hill to town12 on hill") == ["town9999 upon hill"]


@pytest.mark.parametrize("keys", ["", ", fuzzy: 90", ", match: words, span: 2", ", match: words, fuzzy: 90"])
def test_keys_of_lookups_that_do_not_fit_are_refused(bench: Bench, keys: str) -> None:
    bench.write("bills/cities.txt", "Ipoh\n")
    bench.rules("shop", f"- {{id: known, kind: lookup, file: cities.txt{keys}}}")
    with pytest.raises(RuleFileError, match=r"lines|match"):
        bench.load()


# --- misread characters ---


def test_parts_of_patterns_may_have_errors(bench: Bench) -> None:
    bench.rules("total", r"- {id: one, kind: anchor, label: '^(?:TOTAL){s<=1}(?=\W)'}")
    assert bench.values("total", "T0TAL 9.00") == ["9.00"]
    assert bench.values("total", "TOT 9.00") == []


# --- what an author vouches for, and digests ---

RULE = "- {id: one, kind: pattern, pattern: '9.00'%s}\n- {id: two, kind: pattern, pattern: '8.00'}"


def test_an_author_s_precision_is_told_and_changes_no_digest(bench: Bench) -> None:
    bench.rules("total", RULE % "")
    before = bench.load()
    assert before.rules.author_precision == {}
    bench.rules("total", RULE % ", author_precision: 0.98")
    after = bench.load()
    assert after.rules.author_precision == {"total/one": 0.98}
    assert after.field_versions == before.field_versions
    assert after.rules.rule_digests == before.rules.rule_digests
    assert [candidate.score for candidate in bench.find("total", "9.00")] == [0.5]


@pytest.mark.parametrize("key", [", type: number", ", normalise: [upper]", ", validate: {max: 10}", ", priority: 3"])
def test_each_rule_has_a_digest_of_its_own(bench: Bench, key: str) -> None:
    bench.rules("total", RULE % "")
    before = bench.load().rules.rule_digests
    bench.rules("total", RULE % key)
    after = bench.load().rules.rule_digests
    assert after["total/one"] != before["total/one"]
    assert after["total/two"] == before["total/two"]


def test_keys_left_at_their_defaults_change_no_digest(bench: Bench) -> None:
    bench.rules("total", RULE % "")
    before = bench.load().field_versions
    bench.rules("total", RULE % ", type: null, normalise: [], validate: {}, author_precision: null")
    assert bench.load().field_versions == before


def test_the_receipts_rules_are_those_that_were_measured(project_home: Home) -> None:
    tier = RulesTier.load(project_home.rules, project_home.task("receipts"))
    policy = Policy.load(project_home.models / "receipts" / "policy.json")
    assert dict(tier.field_versions) == policy.versions["rules"]
