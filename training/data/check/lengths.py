"""How long documents are, in characters, lines and (estimated) tokens, and in which script they are written."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import regex

from gateway.tiers.rules.text import MAX_SCANNED_CHARS

_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]|[^\W_]+|[^\w\s]|_")
_LATIN = regex.compile(r"\p{Latin}")
_LETTER = regex.compile(r"\p{L}")
#: A word has about a piece more for each of so many further characters; figures break up sooner.
_CHARACTERS_A_PIECE = 9
_DIGITS_A_PIECE = 3


def estimate_tokens(text: str) -> int:
    """About how many pieces a WordPiece tokenizer of English makes of a text; ``docs/data.md`` says how near it is."""
    total = 0
    for match in _WORD.finditer(text):
        word = match[0]
        size = _DIGITS_A_PIECE if any(map(str.isdigit, word)) else _CHARACTERS_A_PIECE
        total += 1 + (len(word) - 1) // size
    return total


@dataclass(frozen=True)
class Lengths:
    """Medians, 95th percentiles and maxima over documents; how many are longer than a window, and than rules read."""

    characters: tuple[int, int, int]
    tokens: tuple[int, int, int]
    lines: tuple[int, int, int]
    window: int
    beyond_window: int
    beyond_rules: int
    latin: float

    def as_json(self) -> dict[str, Any]:
        names = ("median", "p95", "most")
        return {
            "characters": dict(zip(names, self.characters, strict=True)),
            "tokens_estimated": dict(zip(names, self.tokens, strict=True)),
            "lines": dict(zip(names, self.lines, strict=True)),
            "window": self.window,
            "beyond_window": self.beyond_window,
            "beyond_rules": self.beyond_rules,
            "latin_letters": round(self.latin, 4),
        }


def measure_lengths(texts: Sequence[str], window: int) -> Lengths:
    """The lengths of at least one text; ``window`` is how many tokens a model reads at once."""
    tokens = [estimate_tokens(text) for text in texts]
    beginnings = [text[:2000] for text in texts]
    letters = sum(len(_LETTER.findall(text)) for text in beginnings)
    latin = sum(len(_LATIN.findall(text)) for text in beginnings)
    return Lengths(
        _summary([len(text) for text in texts]),
        _summary(tokens),
        _summary([text.count("\n") + 1 for text in texts]),
        window,
        # Two tokens mark the ends of a window.
        sum(count > window - 2 for count in tokens),
        sum(len(text) > MAX_SCANNED_CHARS for text in texts),
        latin / letters if letters else 1.0,
    )


def _summary(counts: Sequence[int]) -> tuple[int, int, int]:
    ordered = sorted(counts)
    return round(statistics.median(ordered)), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], ordered[-1]
