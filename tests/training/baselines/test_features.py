"""What the conditional random field is told of words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.baselines.features import features_of, shape, words_of

TEXT = "KEDAI Melur\nTotal: RM9.50"


def cut(text):
    return [text[start:end] for start, end in words_of(text).tolist()]


def features(text, word, context=None):
    index = cut(text).index(word)
    return set(features_of(text, words_of(text), context)[index])


def test_words_are_runs_of_letters_runs_of_digits_and_single_signs():
    assert cut(TEXT) == ["KEDAI", "Melur", "Total", ":", "RM", "9", ".", "50"]
    assert cut("9pm café 東京 ٣٤ n'est") == ["9", "pm", "café", "東京", "٣٤", "n", "'", "est"]
    assert cut(" \n\t") == []


@pytest.mark.parametrize(("word", "expected"), [("RM9a.é", "XX9x.x"), ("東京", "xx"), ("", "")])
def test_a_shape_says_what_kind_each_sign_is(word, expected):
    assert shape(word) == expected


def test_a_word_knows_itself_its_neighbours_and_its_place():
    assert {
        "word=melur",
        "shape=Xxxxx",
        "short=Xx",
        "prefix=mel",
        "suffix=lur",
        "word-1=kedai",
        "word+1=total",
        "word+3=rm",
        "word-2=|",
        "pair-1=kedai melur",
        "around=kedai total",
        "line=0",
        "line-from-end=1",
        "place=1",
        "place-from-end=0",
        "line-begins=kedai",
        "ends-line",
    } <= features(TEXT, "Melur")
    assert {"line=1", "line-begins=total", "begins-line"} <= features(TEXT, "Total")
    assert "joined-to-word-before" in features(TEXT, "9")
    assert not {"begins-line", "ends-line", "joined-to-word-before"} & features(TEXT, "RM")


def test_empty_lines_count_as_lines():
    assert "line=3" in features("a\n\n\nb", "b")


def test_every_word_is_told_what_was_asked():
    assert "asked=time" in features("6", "6", context="time")
    assert not any(name.startswith("asked=") for name in features("6", "6"))


@given(st.text())
def test_any_text_has_features_for_every_word(text):
    offsets = words_of(text)
    found = features_of(text, offsets)
    assert len(found) == len(offsets)
    for names in found:
        assert "bias" in names
        "".join(names).encode()  # what is no Unicode text cannot be handed to the library
    covered = {place for start, end in offsets.tolist() for place in range(start, end)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in covered)
