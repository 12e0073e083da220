"""From token probabilities to candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gateway.task import FieldSpec
from gateway.tiers.decode import (
    LEAST_START,
    MOST_CANDIDATES,
    MOST_STARTS,
    find_spans,
    propose,
    snap,
    softmax,
)
from gateway.tiers.forms import Forms, KnownValues
from gateway.values import canonical

SHOP, TOTAL, ITEM = FieldSpec("shop", "text"), FieldSpec("total", "money"), FieldSpec("item", "text", many=True)
DATE = FieldSpec("date", "date")


def tags(*rows):
    """Probabilities of ``B.9``-like notes: the tag and its probability; what is left is outside."""
    table = np.zeros((len(rows), 3), dtype=np.float32)
    for row, (tag, probability) in zip(table, rows, strict=True):
        row["OBI".index(tag)] = probability
        row[0] += 1 - probability
    return table


def words(text):
    """Offsets of the words of a text."""
    offsets, start = [], 0
    for word in text.split():
        start = text.index(word, start)
        offsets.append((start, start + len(word)))
        start += len(word)
    return np.array(offsets, dtype=np.int32).reshape(-1, 2)


def found(text, field, *rows, forms=None):
    table = tags(*rows)[:, None, :]
    return propose(text, words(text), table, [field], forms or Forms(), "student")[field.name].candidates


logits = st.integers(0, 30).flatmap(
    lambda size: hnp.arrays(np.float32, (size, 3), elements=st.floats(-30, 30, width=32))
)


@given(logits)
def test_softmax_gives_probabilities_and_ignores_a_shift(values):
    probabilities = softmax(values)
    assert np.all(probabilities >= 0)
    assert np.allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert np.allclose(softmax(values + np.float32(8)), probabilities, atol=1e-4)
    assert softmax(np.array([1000.0, 0.0], dtype=np.float32)).tolist() == [1.0, 0.0]


@given(logits)
def test_spans_lie_on_tokens_best_first_and_are_no_more_than_allowed(values):
    offsets = np.array([(3 * index, 3 * index + 2) for index in range(len(values))], dtype=np.int32).reshape(-1, 2)
    spans = find_spans(softmax(values), offsets)
    assert len(spans) <= MOST_STARTS
    assert [span.score for span in spans] == sorted((span.score for span in spans), reverse=True)
    for span in spans:
        assert 0.0 <= span.score <= 1.0
        assert span.start < span.end
        assert span.start in offsets[:, 0]
        assert span.end in offsets[:, 1]
    assert len({span.start for span in spans}) == len(spans)


def spans_of(*rows):
    offsets = np.array([(index, index + 1) for index in range(len(rows))], dtype=np.int32)
    return [(span.start, span.end, round(span.score, 3)) for span in find_spans(tags(*rows), offsets)]


def test_a_span_is_as_sure_as_its_weakest_link():
    assert spans_of(("B", 0.9), ("I", 0.8), ("O", 1.0)) == [(0, 2, 0.8)]
    assert spans_of(("B", 0.7), ("I", 0.8), ("O", 1.0)) == [(0, 2, 0.7)]
    # The end is a link too: here the span may well go on.
    assert spans_of(("B", 0.9), ("I", 0.8), ("I", 0.45))[0] == (0, 2, 0.55)
    # At the end of the text nothing can follow.
    assert spans_of(("O", 1.0), ("B", 0.9), ("I", 0.8)) == [(1, 3, 0.8)]


def test_a_missed_beginning_is_made_up_for_only_after_an_outside_token():
    assert spans_of(("O", 1.0), ("I", 0.9), ("I", 0.8)) == [(1, 3, 0.8)]
    assert (1, 3) not in [span[:2] for span in spans_of(("B", 0.9), ("I", 0.9), ("I", 0.8))]


def test_an_unlikely_beginning_starts_nothing():
    assert spans_of(("B", LEAST_START * 0.9), ("O", 1.0)) == []
    assert find_spans(np.zeros((0, 3), dtype=np.float32), np.zeros((0, 2), dtype=np.int32)) == []


def test_a_value_found_twice_is_more_probable_than_either_and_stands_at_the_likelier_place():
    (candidate,) = found("5.00 x 5.00", TOTAL, ("B", 0.5), ("O", 1.0), ("B", 0.6))
    assert candidate.score == pytest.approx(1 - 0.5 * 0.4, abs=1e-6)
    assert candidate.spans == ((7, 11),)


def test_rivals_stand_behind_the_best_and_are_limited():
    text = " ".join(f"{number}.00" for number in range(1, 10))
    candidates = found(text, TOTAL, *(("B", 0.1 * number) for number in range(1, 10)))
    assert [candidate.normalised for candidate in candidates] == ["9.00", "8.00", "7.00", "6.00", "5.00"]
    assert len(candidates) == MOST_CANDIDATES


def test_a_many_field_takes_every_likely_item_and_no_unlikely_one():
    text = "a b c d e f g"
    rows = [("B", 0.9)] * 6 + [("B", 0.3)]
    assert {candidate.value for candidate in found(text, ITEM, *rows)} == set("abcdef")


def test_text_is_verbatim_and_the_value_in_the_form_of_labels():
    forms = Forms({"shop": KnownValues({"kedaimelur": "Kedai Melur."})})
    (candidate,) = found("KEDAI\nMELUR 9", SHOP, ("B", 0.9), ("I", 0.9), ("O", 1.0), forms=forms)
    assert (candidate.text, candidate.value, candidate.normalised) == ("KEDAI\nMELUR", "Kedai Melur.", "kedaimelur")
    assert candidate.spans == ((0, 11),)
    assert candidate.source == "student"


def test_punctuation_alone_is_no_value():
    assert found("a , b", SHOP, ("O", 1.0), ("B", 0.9), ("O", 1.0)) == ()


@given(st.integers(0, 99_999), st.sampled_from(["", "RM", "RM ", "$"]), st.data())
def test_a_span_that_touches_an_amount_takes_all_of_it(cents, currency, data):
    amount = f"{currency}{cents / 100:.2f}"
    text = f"ITEM 7.77\nTOTAL: {amount} CASH\n8.88"
    first = text.index(amount, 10)
    start = data.draw(st.integers(first, first + len(amount) - 1))
    if text[start:].startswith(" "):
        start += 1
    end = data.draw(st.integers(start + 1, first + len(amount)))
    got = snap(text, (start, end), "money")
    assert canonical("money", text[slice(*got)]) == canonical("money", amount)
    # The currency is taken when the model marked it.
    assert text[slice(*got)].startswith(currency.strip()) or start > first


@given(st.dates(), st.data())
def test_a_span_that_touches_a_date_takes_all_of_it(date, data):
    written = date.strftime("%d/%m/") + f"{date.year % 100 + 2000:04d}"
    text = f"01/01/2001\nDATE {written} 12:30"
    first = text.index(written, 11)
    start = data.draw(st.integers(first, first + 9))
    end = data.draw(st.integers(start + 1, first + 10))
    assert snap(text, (start, end), "date") == (first, first + 10)


def test_a_misread_value_is_kept_and_words_are_dropped():
    assert snap("TOTAL 9.O0.1.x", (6, 14), "date") == (6, 14)
    assert snap("TOTAL 9.00", (0, 5), "money") is None
    assert snap("TOTAL 9.00", (0, 5), "text") == (0, 5)
    assert found("TOTAL 9.00", TOTAL, ("B", 0.9), ("O", 1.0)) == ()


@pytest.mark.parametrize("amount", ["RM-9.00", "-RM9.00", "RM -9.00", "-9.00"])
def test_a_refund_keeps_its_sign(amount):
    text = f"CHANGE {amount}"
    assert snap(text, (len(text) - 4, len(text)), "money") == (7, len(text))


def test_a_span_takes_no_value_from_another_line():
    assert snap("TOTAL\n9.00", (0, 5), "money") is None
    assert snap("7\n9.00", (0, 1), "money") == (0, 1)


def test_a_text_that_is_no_date_is_normalised_as_text():
    (candidate,) = found("45/45/2018", DATE, ("B", 0.9))
    assert candidate.normalised == "45/45/2018"


@given(st.text(min_size=1, max_size=30), st.data())
def test_what_is_proposed_stands_in_the_text(text, data):
    size = len(text)
    table = softmax(data.draw(hnp.arrays(np.float32, (size, 2, 3), elements=st.floats(-5, 5, width=32))))
    offsets = np.array([(index, index + 1) for index in range(size)], dtype=np.int32)
    for proposal in propose(text, offsets, table, [SHOP, TOTAL], Forms(), "large").values():
        keys = [candidate.normalised for candidate in proposal.candidates]
        assert len(set(keys)) == len(keys)
        for candidate in proposal.candidates:
            ((start, end),) = candidate.spans
            assert text[start:end] == candidate.text
            assert candidate.text == candidate.text.strip() != ""
            assert 0 <= candidate.score <= 1


@pytest.mark.parametrize(
    ("text", "marked", "whole"),
    [
        ("under Charmain at 7", "Charm", "Charmain"),
        ("under Charmain at 7", "main", "Charmain"),
        ("ask for last name Rinker.", "name Rink", "name Rinker"),
        ("José-María", "osé", "José"),
        ("at 12:30pm", "12:30", "12:30"),
        ("at 12:30pm", ":3", ":3"),
        ("東京都千代田区", "千代", "千代"),
    ],
)
def test_a_marked_text_ends_where_words_end(text, marked, whole):
    start = text.index(marked)
    found = snap(text, (start, start + len(marked)), "text")
    assert found is not None
    assert text[slice(*found)] == whole


@given(st.text(max_size=20), st.data())
def test_whole_words_hold_what_was_marked_and_stay(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = snap(text, (start, end), "text")
    assert found is not None
    assert found[0] <= start <= end <= found[1]
    assert snap(text, found, "text") == found


def test_pieces_of_one_word_are_one_occurrence():
    offsets = np.array([(0, 5), (5, 8)], dtype=np.int32)
    table = tags(("B", 0.4), ("B", 0.5))[:, None, :]
    candidates = propose("Charmain", offsets, table, [SHOP], Forms(), "student")["shop"].candidates
    assert [candidate.text for candidate in candidates] == ["Charmain"]
    assert candidates[0].score == pytest.approx(0.5)
