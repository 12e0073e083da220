"""Patterns made from what was seen match what they were made from."""

import regex
from hypothesis import given
from hypothesis import strategies as st

from gateway.tiers.rules.patterns import compile_pattern
from gateway.tiers.rules.text import Text
from training.drafting.expressions import left_pattern, right_pattern, shapes_of, words_pattern
from training.drafting.occurrences import MOST_TOKENS, _occurrence

LINE = st.text(" abAB12.:,$()-'é中\t", max_size=15)


@given(LINE, st.from_regex(r"[a-z0-9][a-z0-9 .]{0,6}[a-z0-9]", fullmatch=True), LINE, LINE)
def test_contexts_find_the_value_they_were_seen_around(before, value, behind, above):
    text = f"{above}\n{before} {value} {behind}"
    start = len(above) + len(before) + 2
    occurrence = _occurrence(Text(text), (start, start + len(value)))
    for length in range(1, min(MOST_TOKENS, len(occurrence.left)) + 1):
        left = left_pattern(occurrence.left[-length:])
        pattern = compile_pattern(f"{left}(?P<value>{regex.escape(value)})")
        assert any(match.start("value") == start for match in pattern.finditer(text, overlapped=True)), (left, text)
    for length in range(1, min(3, len(occurrence.right)) + 1):
        right = right_pattern(occurrence.right[:length])
        pattern = compile_pattern(f"(?P<value>{regex.escape(value)}){right}")
        assert any(match.start("value") == start for match in pattern.finditer(text, overlapped=True)), (right, text)


VALUE = st.from_regex(r"(?:[a-c]{1,3}|[0-9]{1,4}|[ .:/-]){1,6}", fullmatch=True).filter(str.strip)


@given(st.lists(VALUE, min_size=1, max_size=12))
def test_each_value_of_a_shape_matches_its_pattern(values):
    shapes = shapes_of([[value.strip()] for value in values], 1)
    patterns = [compile_pattern(shape.pattern) for shape in shapes]
    for value in values:
        if any(char.isalnum() for char in value):
            assert any(pattern.fullmatch(value.strip()) for pattern in patterns), value
    assert sum(shape.documents for shape in shapes) <= len(values)


def test_shapes_keep_words_that_return_and_leave_others_open():
    values = [["5 people"], ["12 people"], ["3 guests"], ["4 guests"], ["Anna"], ["Bob"]]
    [shape] = shapes_of(values, 2)
    assert shape.documents == 4
    pattern = compile_pattern(shape.pattern)
    assert pattern.search("a table for 7  guests please")[0] == "7  guests"
    assert not pattern.search("7 chairs, 112 people")


@given(st.lists(st.text("abc .'-&é", min_size=1, max_size=10).filter(str.strip), min_size=1, max_size=6))
def test_lists_of_words_match_each_of_them(words):
    pattern = compile_pattern(words_pattern(words))
    for word in words:
        if word.strip()[0].isalnum() and word.strip()[-1].isalnum():
            assert pattern.search(f"({word.strip()})"), word
