from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidJson, InvalidRequest
from gateway.http.body import MAX_DEPTH, parse_json
from gateway.http.deadline import deadline_seconds
from gateway.http.responses import encode_json
from gateway.http.scope import request_id, trace_parent

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), children),
    max_leaves=12,
)
finite_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), children),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or float(one) == float(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and type(one) is type(other)


@given(json_values)
def test_what_the_standard_library_writes_is_read_as_it_reads_it(value: Any) -> None:
    # Whichever of the two readers took it: halves of surrogate pairs, NaN and long integers too.
    text = json.dumps(value)
    assert same(parse_json(text.encode()), json.loads(text))


@given(finite_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    written = encode_json(value)
    written.decode("utf-8")
    assert same(json.loads(written), json.loads(json.dumps(value)))


@given(st.binary() | st.text().map(str.encode))
def test_bytes_are_json_or_an_error_that_says_where(body: bytes) -> None:
    try:
        expected = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        with pytest.raises(InvalidJson, match="the body is not"):
            parse_json(body)
    else:
        assert same(parse_json(body), expected)


@given(st.integers(1, 80), st.booleans())
def test_depth_is_counted_in_arrays_and_objects(depth: int, objects: bool) -> None:
    start, end = (b'{"a":', b"}") if objects else (b"[", b"]")
    inner = b"0" if objects else b""
    body = b'[[],{"b":[]},' + start * depth + inner + end * depth + b"]"
    if depth + 1 > MAX_DEPTH:
        with pytest.raises(InvalidJson, match="nested more than"):
            parse_json(body)
    else:
        parse_json(body)


def test_many_brackets_are_no_depth() -> None:
    parse_json(json.dumps([[[0, 1], [2, 3]]] * 1000).encode())
    parse_json(json.dumps({"text": "[" * 1000}).encode())


@given(st.binary())
def test_any_deadline_is_seconds_within_the_default_or_an_error(value: bytes) -> None:
    try:
        found = deadline_seconds([(b"x-deadline-ms", value)], 5000)
    except InvalidRequest as error:
        found = 5.0 if "X-Deadline-Ms" in error.message else 0.0
    assert 0 < found <= 5


@given(st.binary())
def test_ids_and_traces_are_harmless_whatever_came(value: bytes) -> None:
    assert re.fullmatch(rb"[\w.:-]{1,128}", request_id(value))
    assert trace_parent(value) in (None, value)
