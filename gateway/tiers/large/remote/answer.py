"""Reading what a chat completion says: its content, its tokens, its usage, and the values in the content.

Nothing here trusts the server: whatever is missing or of the wrong type is treated as not said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.document import Span

_DECODER = json.JSONDecoder(strict=False)
_BLANK = re.compile(r"\s*")
#: How often a beginning of an object is looked for in a content that is no JSON.
_MOST_STARTS = 50
#: More tokens than any model reads: a usage beyond it is a mistake.
_MOST_TOKENS = 100_000_000
#: A longer value is no value, in characters of the content.
_LONGEST_VALUE = 20_000
#: What models write instead of null.
_NOTHING = {
    "",
    "null",
    "none",
    "n/a",
    "na",
    "nil",
    "unknown",
    "not found",
    "not stated",
    "not specified",
    "not available",
}


class Garbled(ValueError):
    """An answer that is not what the interface says."""


@dataclass(frozen=True)
class Usage:
    """Tokens as the server counted them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Token:
    """One token of the content: the range of the content it covers and its natural log-probability."""

    start: int
    end: int
    logprob: float


@dataclass(frozen=True)
class Completion:
    """One choice of a chat completion. ``tokens`` is empty where log-probabilities were not offered or do not fit the
    content; ``truncated`` says that the model was stopped before its end."""

    content: str
    tokens: tuple[Token, ...]
    usage: Usage | None
    truncated: bool


@dataclass(frozen=True)
class Value:
    """A value for a field and where its characters stand in the content."""

    text: str
    start: int
    end: int


def parse_completion(body: bytes) -> Completion:
    """Read the body of an answer to ``POST /chat/completions``.

    Raises:
        Garbled: it is no JSON or has no content.
    """
    try:
        raw = json.loads(body)
        choice = raw["choices"][0]
        content = _content(choice["message"]["content"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise Garbled(type(error).__name__) from error
    tokens = _tokens(choice.get("logprobs"), content)
    return Completion(content, tokens, _usage(raw.get("usage")), choice.get("finish_reason") == "length")


def _content(raw: Any) -> str:
    if isinstance(raw, list):  # parts, as some servers write it
        raw = "".join(part["text"] for part in raw if part.get("type", "text") == "text")
    if raw is None:
        return ""  # a refusal
    if not isinstance(raw, str):
        raise TypeError("content is no text")
    return raw


def _usage(raw: Any) -> Usage | None:
    if not isinstance(raw, dict):
        return None
    counts = [raw.get("prompt_tokens"), raw.get("completion_tokens", 0)]
    known = [count for count in counts if type(count) is int and 0 <= count <= _MOST_TOKENS]
    return Usage(known[0], known[1]) if len(known) == len(counts) else None


def _tokens(raw: Any, content: str) -> tuple[Token, ...]:
    listed = raw.get("content") if isinstance(raw, dict) else None
    if not isinstance(listed, list) or not content:
        return ()
    logprobs: list[float] = []
    for item in listed:
        logprob = item.get("logprob") if isinstance(item, dict) else None
        if isinstance(logprob, bool) or not isinstance(logprob, (int, float)) or math.isnan(logprob):
            return ()
        logprobs.append(min(0.0, float(logprob)))
    ranges = _ranges_by_text(listed, content) or _ranges_by_bytes(listed, content)
    return tuple(Token(start, end, logprob) for (start, end), logprob in zip(ranges, logprobs, strict=False))


def _ranges_by_text(listed: Sequence[dict[str, Any]], content: str) -> list[Span]:
    texts = [item.get("token") for item in listed]
    known = [text for text in texts if isinstance(text, str)]
    offset = "".join(known).find(content) if len(known) == len(texts) else -1
    return _consecutive([len(text) for text in known], offset) if offset >= 0 else []


def _ranges_by_bytes(listed: Sequence[dict[str, Any]], content: str) -> list[Span]:
    """Where a character is several tokens, no token's text shows it, but their bytes do."""
    try:
        pieces = [bytes(item["bytes"]) for item in listed]
    except (KeyError, TypeError, ValueError):
        return []
    wanted = content.encode("utf-8", "surrogatepass")
    offset = b"".join(pieces).find(wanted)
    if offset < 0:
        return []
    # Byte offset to the number of the character it lies in.
    place = [index for index, char in enumerate(content) for _ in char.encode("utf-8", "surrogatepass")]
    size = len(wanted)
    spans: list[Span] = []
    for start, end in _consecutive([len(piece) for piece in pieces], offset):
        start, end = max(0, start), min(size, end)
        spans.append((place[start], place[end - 1] + 1) if start < end else (len(content), len(content)))
    return spans


def _consecutive(lengths: Sequence[int], offset: int) -> list[Span]:
    spans: list[Span] = []
    position = -offset
    for length in lengths:
        spans.append((position, position + length))
        position += length
    return spans


def read_values(content: str, fields: Sequence[str]) -> dict[str, tuple[Value, ...]] | None:
    """The values a content gives for ``fields``, each with none, one or several; a field it does not name is missing.

    Text around the object is passed over, and of an object that breaks off what is complete counts. ``None``: there is
    no object with any of the fields.
    """
    wanted = {_key(name): name for name in fields}
    start = content.find("{")
    for _ in range(_MOST_STARTS):
        if start < 0:
            return None
        found: dict[str, tuple[Value, ...]] = {}
        for key, begin, end, value in _pairs(content, start):
            name = wanted.get(_key(key))
            if name is not None and name not in found:
                found[name] = tuple(_values(content, begin, end, value))
        if found:
            return found
        start = content.find("{", start + 1)
    return None


def _key(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _pairs(content: str, start: int) -> Iterator[tuple[str, int, int, Any]]:
    """Keys and values of the object that begins at ``start``, with the values' ranges, until it ends or breaks off."""
    position = _skip(content, start + 1)
    while content.startswith('"', position):
        try:
            key, position = _DECODER.raw_decode(content, position)
            position = _skip(content, position)
            if not content.startswith(":", position):
                return
            begin = _skip(content, position + 1)
            value, position = _DECODER.raw_decode(content, begin)
        except (ValueError, RecursionError):
            return
        yield key, begin, position, value
        position = _skip(content, position)
        if not content.startswith(",", position):
            return
        position = _skip(content, position + 1)


def _values(content: str, begin: int, end: int, value: Any) -> Iterator[Value]:
    if not isinstance(value, list):
        yield from _value(content, begin, end, value)
        return
    position = _skip(content, begin + 1)
    while position < end and not content.startswith("]", position):
        item, after = _DECODER.raw_decode(content, position)
        yield from _value(content, position, after, item)
        position = _skip(content, after)
        if content.startswith(",", position):
            position = _skip(content, position + 1)


def _value(content: str, begin: int, end: int, value: Any) -> Iterator[Value]:
    if end - begin > _LONGEST_VALUE:
        return
    if isinstance(value, str):
        if value.strip().casefold() not in _NOTHING:
            yield Value(value.strip(), begin + 1, end - 1)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield Value(content[begin:end], begin, end)  # as written: 9.00 is not 9.0


def _skip(content: str, position: int) -> int:
    found = _BLANK.match(content, position)
    return found.end() if found else position
