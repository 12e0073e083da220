"""Which windows of a long document are read, and what follows from it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.document import Document
from gateway.errors import ModelCorrupt
from gateway.tiers.forms import Forms
from gateway.tiers.student import load_student
from gateway.tiers.windows import FieldWindows, WindowChooser, places_of, words_of
from tests.gateway.tiers.tiny import TASK, write_student

# The shop stands on the first page, the total where "total" is said.
SHOP = FieldWindows(-4.0, {}, {"first": 8.0}, 0.5, 1)
TOTAL = FieldWindows(-4.0, {"total": 6.0}, {}, 0.5, 2)
CHOOSER = WindowChooser({"shop": SHOP, "total": TOTAL}, from_windows=3)
PAGES = ["kedai melur", "tea", "total rm 9", "tea", "total rm 7", "total rm 5"]
TEXT = "\n".join(PAGES)


def spans(pages):
    found, position = [], 0
    for page in pages:
        found.append((position, position + len(page)))
        position += len(page) + 1
    return found


def test_each_field_has_windows_of_its_own_and_no_more_than_it_may():
    chosen = CHOOSER.choose(TEXT, spans(PAGES), ["shop", "total"])
    assert chosen == {"shop": [0], "total": [2, 4]}


def test_the_most_probable_window_is_read_however_improbable():
    pages = ["tea", "tea", "melur tea", "tea"]
    assert CHOOSER.choose("\n".join(pages), spans(pages), ["total"]) == {"total": [0]}


def test_a_short_document_is_read_whole():
    assert CHOOSER.choose("tea\nrm 9", spans(["tea", "rm 9"]), ["total"]) == {"total": [0, 1]}


def test_a_field_without_a_model_is_looked_for_everywhere():
    assert CHOOSER.choose(TEXT, spans(PAGES), ["date", "shop"]) == {"date": [0, 1, 2, 3, 4, 5], "shop": [0]}


@given(
    st.lists(st.sampled_from(["total", "tea", "rm 9", ""]), min_size=1, max_size=12),
    st.floats(-9, 9),
    st.dictionaries(st.sampled_from(["total", "tea", "rm"]), st.floats(-9, 9)),
    st.floats(0, 1),
    st.integers(1, 5),
)
def test_what_is_read_are_the_most_probable_windows(pages, bias, words, least, most):
    text, found = "\n".join(pages), spans(pages)
    model = FieldWindows(bias, words, {"last": 1.0}, least, most)
    (chosen,) = WindowChooser({"total": model}, from_windows=1).choose(text, found, ["total"]).values()
    probabilities = [
        model.probability(words_of(page), places_of(one, len(text), first=index == 0, last=index == len(pages) - 1))
        for index, (page, one) in enumerate(zip(pages, found, strict=True))
    ]
    assert 1 <= len(chosen) <= most
    assert chosen == sorted(set(chosen))
    left = [probability for index, probability in enumerate(probabilities) if index not in chosen]
    assert min(probabilities[index] for index in chosen) >= max(left, default=0.0)
    assert len(chosen) == 1 or all(probabilities[index] >= least for index in chosen)


def test_places_are_the_tenths_a_window_touches():
    assert places_of((0, 10), 100, first=True, last=False) == ["tenth-0", "first"]
    assert places_of((85, 100), 100, first=False, last=True) == ["tenth-8", "tenth-9", "last"]
    assert places_of((0, 0), 0, first=True, last=True) == ["tenth-0", "first", "last"]


def test_it_is_kept_and_read_again(tmp_path):
    CHOOSER.save(tmp_path / "windows.json")
    again = WindowChooser.load(tmp_path / "windows.json")
    assert again == CHOOSER
    assert again.digest == CHOOSER.digest
    assert WindowChooser.load(tmp_path / "other.json") is None


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        "[]",
        '{"fields": {}}',
        json.dumps({"from_windows": 3, "fields": {"shop": {"bias": 0}}}),
        json.dumps(
            {"from_windows": 3, "fields": {"shop": {"bias": "x", "least": 0, "most": 1, "words": {}, "places": {}}}}
        ),
        json.dumps(
            {"from_windows": 3, "fields": {"shop": {"bias": 0, "least": 0, "most": 0, "words": {}, "places": {}}}}
        ),
    ],
)
def test_a_damaged_file_says_so(tmp_path, wrong):
    (tmp_path / "windows.json").write_text(wrong)
    with pytest.raises(ModelCorrupt, match=r"windows\.json"):
        WindowChooser.load(tmp_path / "windows.json")


@pytest.fixture
def student(tmp_path):
    write_student(tmp_path / "student", window=8, stride=0)

    def load(chooser=None):
        return load_student(tmp_path / "student", TASK, Forms(), chooser=chooser)

    return load


# Six tokens a window: the amount of the third window is announced, the fifth one's is not.
LONG = "kedai melur tea tea tea tea " + "tea " * 6 + "total rm 9 tea tea tea " + "tea " * 6 + "tea tea rm 7 tea tea"


def answers(tier, fields):
    (output,) = tier.propose([Document(LONG)], fields)
    return {name: [item.value for item in found.candidates] for name, found in output.proposals.items()}, output.work


def test_a_tier_reads_what_is_chosen_alone(student):
    everything, all_work = answers(student(), ("shop", "total"))
    chosen, work = answers(student(CHOOSER), ("shop", "total"))
    assert set(everything["total"]) == {"rm 9", "rm 7"}
    assert everything["shop"] == chosen["shop"] == ["kedai melur"]
    assert chosen["total"] == ["rm 9"]
    assert all_work.tokens == len(LONG.split())
    assert work.tokens == 12  # of two windows


def test_what_is_said_of_a_field_does_not_depend_on_the_others_asked_for(student):
    tier = student(CHOOSER)
    together, _ = answers(tier, ("shop", "total"))
    assert answers(tier, ("total",))[0] == {"total": together["total"]}
    assert answers(tier, ("shop",))[0] == {"shop": together["shop"]}


def test_what_is_read_is_part_of_the_version(student):
    other = WindowChooser({"shop": SHOP}, from_windows=3)
    assert len({student().version, student(CHOOSER).version, student(other).version}) == 3
