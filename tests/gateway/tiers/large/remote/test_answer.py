"""Reading chat completions from servers that keep to the interface more or less."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tiers.large.remote.answer import Garbled, Token, Usage, Value, parse_completion, read_values
from gateway.tiers.large.remote.confidence import from_agreement, from_tokens
from tests.gateway.tiers.large.remote.faulty import completion


def values(content, *fields):
    found = read_values(content, fields)
    return None if found is None else {name: [value.text for value in listed] for name, listed in found.items()}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"total": "9.00"}', {"total": ["9.00"]}),
        ('```json\n{"total": "9.00"}\n```', {"total": ["9.00"]}),
        ('Sure! Here it is: {"total": "9.00"} Anything else?', {"total": ["9.00"]}),
        ('{note} {"total": "9.00"}', {"total": ["9.00"]}),
        ('{"Total": "9.00"}', {"total": ["9.00"]}),
        ('{"total": 9.00}', {"total": ["9.00"]}),
        ('{"total": null}', {"total": []}),
        ('{"total": " n/a "}', {"total": []}),
        ('{"total": true}', {"total": []}),
        ('{"total": {"value": "9.00"}}', {"total": []}),
        ('{"total": ["9.00", "10.00", null, ["1.00"]]}', {"total": ["9.00", "10.00"]}),
        ('{"total": "9.00", "total": "8.00"}', {"total": ["9.00"]}),
        ('{"shop": "A", "total": "9.0', {"shop": ["A"]}),
        ('{"total": "a\nb"}', {"total": ["a\nb"]}),
        ('{"total": "\\u00e9\\"x\\""}', {"total": ['é"x"']}),
        ('{"result": {"total": "9.00"}}', {"total": ["9.00"]}),
        ('{"other": "9.00"}', None),
        ("no object at all", None),
        ("", None),
        ("{" * 1000, None),
        ('{"total"', None),
        ('{"total": "' + "9" * 50_000 + '"}', {"total": []}),
        ('{"total": ' + "[" * 100_000, None),
    ],
)
def test_values_of_a_content(content, expected):
    assert values(content, "total", "shop") == expected


@given(
    st.dictionaries(st.sampled_from(["shop", "total"]), st.text(min_size=1).map(lambda text: f"x{text}x"), min_size=1)
)
def test_values_of_an_object_and_where_they_stand(said):
    content = json.dumps(said)
    for name, listed in (read_values(content, ["shop", "total"]) or {}).items():
        [value] = listed
        assert value.text == said[name]
        assert json.loads(f'"{content[value.start : value.end]}"') == said[name]


@given(st.text() | st.text(alphabet='{}[]",:\\ab total'))
def test_no_content_breaks_it(content):
    found = read_values(content, ["a", "total"])
    for listed in (found or {}).values():
        assert all(0 <= value.start <= value.end <= len(content) for value in listed)


KEYS = st.sampled_from(["choices", "message", "content", "usage", "logprobs"])
RAW = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(st.binary() | RAW.map(lambda raw: json.dumps(raw).encode()))
def test_no_body_breaks_it(body):
    try:
        parse_completion(body)
    except Garbled:
        return


def test_content_in_parts_and_the_end_that_was_cut():
    body = json.loads(completion("x", finish_reason="length"))
    body["choices"][0]["message"]["content"] = [{"type": "text", "text": '{"a"'}, {"type": "text", "text": ": 1}"}]
    read = parse_completion(json.dumps(body).encode())
    assert (read.content, read.truncated, read.usage) == ('{"a": 1}', True, Usage(100, 20))


def listed(*pieces, raw=None):
    return {"content": raw or [{"token": text, "logprob": -0.5} for text in pieces]}


@pytest.mark.parametrize(
    ("logprobs", "count"),
    [
        (listed('{"a"', ': "x', '"}'), 3),
        (listed(" ", '{"a"', ': "x"}', "<end>"), 4),  # a blank before and a mark behind the content
        (listed("something", "else"), 0),
        (listed(raw=[{"token": '{"a": "x"}', "logprob": None}]), 0),
        (listed(raw=[{"token": '{"a": "x"}', "logprob": True}]), 0),
        (listed(raw=["token"]), 0),
        ({"content": None}, 0),
        (None, 0),
        ([], 0),
    ],
)
def test_tokens_are_those_of_the_content_or_none(logprobs, count):
    read = parse_completion(completion('{"a": "x"}', logprobs=logprobs))
    assert len(read.tokens) == count


def test_a_character_of_several_tokens_is_found_by_its_bytes():
    content = '{"a": "é!"}'
    raw = content.encode()
    cut = raw.index("é".encode()) + 1
    pieces = [raw[:cut], raw[cut : cut + 1], raw[cut + 1 :]]
    logprobs = [{"token": "?", "bytes": list(piece), "logprob": -1.0 - index} for index, piece in enumerate(pieces)]
    read = parse_completion(completion(content, logprobs={"content": logprobs}))
    place = content.index("é")
    assert [(token.start, token.end) for token in read.tokens] == [
        (0, place + 1),
        (place, place + 1),
        (place + 1, len(content)),
    ]
    assert from_tokens(read.tokens, Value("é", place, place + 1), "product") == pytest.approx(math.exp(-3.0))


@given(st.lists(st.floats(-200, 0), min_size=1, max_size=20), st.sampled_from(["mean", "product"]))
def test_a_score_is_a_share(logprobs, aggregate):
    tokens = [Token(index, index + 1, value) for index, value in enumerate(logprobs)]
    score = from_tokens(tokens, Value("x", 0, len(tokens)), aggregate)
    assert 0 < score <= 1
    assert score <= math.exp(max(logprobs)) * (1 + 1e-9) or score == pytest.approx(math.exp(-50))
    assert from_tokens(tokens, Value("x", 50, 60), aggregate) is None


def test_agreement_grows_with_votes_and_is_never_certain():
    assert from_agreement(1, 1) == 0.75
    scores = [from_agreement(votes, 5) for votes in range(1, 6)]
    assert scores == sorted(scores)
    assert 0 < scores[0] < scores[-1] < 1
