"""Finding in a text what a model says it read there."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.tiers.large.remote.grounding import GroundedText
from gateway.values import VALUE_TYPES, ValueOptions, canonical, fold_text

TEXT = "MUTIARA LTD\nNO 17, JALAN CEMPAKA 3/2,\n43200 CHERAS\nDATE 14/03/2018\nTOTAL RM 19.00 CASH 9.00"
texts = st.text(max_size=80)
mixed = st.text(alphabet="aAbB19.,-/ \n\tß\u0130\ufb01\u0301", max_size=60)


def find(text, value, kind="text", **options):
    grounding = GroundedText(text, **options).find(value, kind)
    found = None if grounding.span is None else text[slice(*grounding.span)]
    return found, grounding.how


@pytest.mark.parametrize(
    ("value", "kind", "found", "how"),
    [
        ("MUTIARA LTD", "text", "MUTIARA LTD", "exact"),
        ("Mutiara Ltd.", "text", "MUTIARA LTD", "folded"),
        ("NO 17 JALAN CEMPAKA 3/2 43200 CHERAS", "text", "NO 17, JALAN CEMPAKA 3/2,\n43200 CHERAS", "folded"),
        ("NO 17, JALAN CEMPAKO 3/2, 43200 CHERAS", "text", "NO 17, JALAN CEMPAKA 3/2,\n43200 CHERAS", "fuzzy"),
        ("NO 18, JALAN CEMPAKA 3/2, 43200 CHERAS", "text", None, "ungrounded"),
        ("WALMART", "text", None, "ungrounded"),
        ("14/03/2018", "date", "14/03/2018", "exact"),
        ("2018-03-14", "date", "14/03/2018", "value"),
        ("14 March 2018", "date", "14/03/2018", "value"),
        ("2018-03-15", "date", None, "ungrounded"),
        ("9.00", "money", "9.00", "exact"),
        ("RM 9.00", "money", "9.00", "value"),
        ("RM 19.00", "money", "RM 19.00", "exact"),
        ("19", "money", "RM 19.00", "value"),
        ("00", "money", None, "ungrounded"),
        ("43200", "number", "43200", "exact"),
        ("43,200", "number", "43200", "value"),
        ("9", "number", "9.00", "value"),
        ("not a date", "date", None, "ungrounded"),
        ("", "text", None, "ungrounded"),
        (" \n", "text", None, "ungrounded"),
    ],
)
def test_the_strictest_way_that_finds_it(value, kind, found, how):
    assert find(TEXT, value, kind) == (found, how)


def test_the_day_s_place_is_the_task_s():
    assert find("on 04/05/2018", "2018-05-04", "date") == ("04/05/2018", "value")
    assert find("on 04/05/2018", "2018-04-05", "date", options=ValueOptions(day_first=False)) == ("04/05/2018", "value")


def test_a_word_of_its_own_goes_before_a_part_of_another():
    grounding = GroundedText("CARPARK CAR").find("CAR", "text")
    assert grounding.span == (8, 11)


def test_only_what_was_shown_counts():
    text = "TOTAL 9.00 ... TOTAL 9.00"
    assert GroundedText(text, [(11, len(text))]).find("9.00", "money").span == (21, 25)
    assert GroundedText(text, [(0, 8)]).find("9.00", "money").span is None


@given(texts | mixed, st.data())
@example("a b", None)
def test_any_substring_grounds_to_itself(text, data):
    start = 0 if data is None else data.draw(st.integers(0, len(text)))
    end = len(text) if data is None else data.draw(st.integers(start, len(text)))
    value = text[start:end]
    assume(value.strip())
    found, how = find(text, value)
    assert (found, how) == (value.strip(), "exact")


@given(texts | mixed, texts | mixed, st.sampled_from(VALUE_TYPES))
def test_what_is_found_is_a_piece_of_the_text_and_equal_unless_it_is_fuzzy(text, value, kind):
    grounding = GroundedText(text).find(value, kind)
    if grounding.span is None:
        assert (grounding.how, grounding.similarity) == ("ungrounded", 0.0)
        return
    start, end = grounding.span
    assert 0 <= start < end <= len(text)
    found = text[start:end]
    assert found.strip()
    if grounding.how == "exact":
        assert found == value.strip()
    elif grounding.how == "value":
        assert canonical(kind, found) == canonical(kind, value) is not None
    elif grounding.how == "fuzzy":
        assert kind == "text"
        assert [char for char in found if char.isdigit()] == [char for char in value if char.isdigit()]
        assert 0.9 <= grounding.similarity <= 1


@given(mixed)
def test_folding_the_value_does_not_hide_it(text):
    assume(text.strip())
    # What no folding can keep: compositions across the places where white space was.
    assume(fold_text(text) == fold_text("".join(text.split())))
    assume(text.isascii() and fold_text(text))
    found, _ = find(f"before {text} after", "  ".join(text.upper().split()))
    assert found is not None
    assert fold_text(found) == fold_text(text)
