"""Words of a text and what a conditional random field is told of each: the standard features of named entities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import regex
from numpy.typing import NDArray

# Runs of digits, runs of letters, and every other sign by itself: values begin and end at such places.
_WORD = regex.compile(r"\p{N}+|[\p{L}\p{M}]+|[^\s\p{N}\p{L}\p{M}]")
_RUN = regex.compile(r"(.)\1+")
#: Places of lines and of words in their line are told apart up to here.
_MOST_PLACES = 6


def words_of(text: str) -> NDArray[np.int32]:
    """Where words stand: ``[words, 2]`` code points, end exclusive."""
    return np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int32).reshape(-1, 2)


def features_of(text: str, offsets: NDArray[np.int32], context: str | None = None) -> list[list[str]]:
    """For each word: itself, its shape, its beginnings and ends, its neighbours, and where in its line and text it is.

    Args:
        offsets: as :func:`words_of` gives them.
        context: what was asked just before, say; every word is told its words.
    """
    # A lone surrogate cannot be written down; what stands for it is no letter either.
    text = regex.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    words = [text[start:end] for start, end in offsets.tolist()]
    folded = [word.casefold() for word in words]
    shapes = [shape(word) for word in words]
    short = [_RUN.sub(r"\1", found) for found in shapes]
    lines = _lines(text, offsets)
    asked = [f"asked={word.casefold()}" for word in regex.findall(r"\w+", context or "")]
    last = lines[-1] if lines else 0
    starts = {line: index for index, line in reversed(list(enumerate(lines)))}
    ends = {line: index for index, line in enumerate(lines)}
    features: list[list[str]] = []
    for index, word in enumerate(words):
        line = lines[index]
        first, final = starts[line], ends[line]
        own = [
            "bias",
            f"word={folded[index]}",
            f"shape={shapes[index]}",
            f"short={short[index]}",
            f"length={min(len(word), 10)}",
            *(f"prefix={folded[index][:size]}" for size in range(1, min(4, len(word) + 1))),
            *(f"suffix={folded[index][-size:]}" for size in range(1, min(4, len(word) + 1))),
            f"line={min(line, _MOST_PLACES)}",
            f"line-from-end={min(last - line, _MOST_PLACES)}",
            f"place={min(index - first, _MOST_PLACES)}",
            f"place-from-end={min(final - index, _MOST_PLACES)}",
            f"line-begins={folded[first]}",
            *asked,
        ]
        if index == 0 or lines[index - 1] != line:
            own.append("begins-line")
        if index + 1 == len(words) or lines[index + 1] != line:
            own.append("ends-line")
        if index and offsets[index - 1, 1] == offsets[index, 0]:
            own.append("joined-to-word-before")
        for step in (-3, -2, -1, 1, 2, 3):
            other = index + step
            near = folded[other] if 0 <= other < len(words) else "|"
            own.append(f"word{step:+d}={near}")
            if abs(step) < 3:
                own.append(f"shape{step:+d}={shapes[other] if 0 <= other < len(words) else '|'}")
        before = folded[index - 1] if index else "|"
        after = folded[index + 1] if index + 1 < len(words) else "|"
        own += [f"pair-1={before} {folded[index]}", f"pair+1={folded[index]} {after}", f"around={before} {after}"]
        features.append(own)
    return features


def shape(word: str) -> str:
    """A word's signs as kinds: ``X`` for upper case, ``x`` for other letters, ``9`` for digits, others themselves."""
    return "".join(
        "9" if sign.isdigit() else "X" if sign.isupper() else "x" if sign.isalpha() else sign for sign in word
    )


def _lines(text: str, offsets: NDArray[np.int32]) -> Sequence[int]:
    """The number of each word's line, from 0; empty lines count."""
    breaks = [0, *accumulate(1 if sign == "\n" else 0 for sign in text)]
    return [breaks[start] for start in offsets[:, 0].tolist()]
