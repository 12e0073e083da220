"""Building blocks of search patterns."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import regex

_SPACE = r"\s{1,3}"


def either(words: Iterable[str]) -> str:
    """A pattern for any of ``words``, the longest that is there first; a space stands for up to three of any kind.

    Words that begin alike share their beginning, so that a place where none stands is left after a letter or two.
    """
    return _branch(sorted(set(words)))


def _branch(words: list[str]) -> str:
    ends = "" in words
    branches = []
    for char, group in groupby((word for word in words if word), key=lambda word: word[0]):
        head = _SPACE if char == " " else regex.escape(char)
        branches.append(head + _branch([word[1:] for word in group]))
    if not branches:
        return ""
    if len(branches) == 1 and not ends:
        return branches[0]
    return f"(?:{'|'.join(branches)}){'?' if ends else ''}"
