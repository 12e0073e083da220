"""Patterns as rules use them: the library's names filled in, their size bounded, compiled."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import regex

from gateway.tiers.rules.syntax import Node, TooDeep, parse_pattern, written_out

Compiled = regex.Pattern[str]

REFERENCE = regex.compile(r"\{\{\s*([a-z][a-z0-9_-]*)\s*\}\}")
#: Bounds how deep one recogniser may name another.
_MAX_DEPTH = 5
_MAX_EXPANDED_CHARS = 50_000
#: ``a{1000000}`` takes a second to compile and ``a{100000000}`` all memory: what repeats is written out.
_MAX_WRITTEN_OUT = 100_000

PatternProblemKind = Literal["unknown-name", "circle", "too-long", "too-large", "syntax", "duplicate"]


class PatternProblem(ValueError):
    """A pattern cannot be used."""

    def __init__(self, kind: PatternProblemKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def expand(source: str, library: Mapping[str, str]) -> str:
    """``source`` with every ``{{name}}`` replaced by the library's pattern of that name, in a group.

    Raises:
        PatternProblem: a name is unknown, names lead in a circle, or the result is too long.
    """

    def named(match: regex.Match[str]) -> str:
        name = match[1]
        if name not in library:
            known = ", ".join(sorted(library)) or "none"
            raise PatternProblem("unknown-name", f"no recogniser {{{{{name}}}}} in the library; there are: {known}")
        return f"(?:{library[name]})"

    expanded = source
    for _ in range(_MAX_DEPTH):
        if not REFERENCE.search(expanded):
            return expanded
        expanded = REFERENCE.sub(named, expanded)
        if len(expanded) > _MAX_EXPANDED_CHARS:
            raise PatternProblem(
                "too-long", f"longer than {_MAX_EXPANDED_CHARS} characters with library names filled in"
            )
    if REFERENCE.search(expanded):
        raise PatternProblem("circle", "recognisers name each other too deeply")
    return expanded


def compile_pattern(expanded: str) -> Compiled:
    """Compile a pattern as rules do: letter case does not matter, ``^`` and ``$`` are a line's.

    Raises:
        PatternProblem: it is no regular expression, or too large to be compiled in bounded time.
    """
    return read_pattern(expanded)[0]


def read_pattern(expanded: str) -> tuple[Compiled, Node]:
    """A pattern compiled as by :func:`compile_pattern`, and its structure.

    Raises:
        PatternProblem: as there.
    """
    try:
        node = parse_pattern(expanded)
        size = written_out(node)
    except TooDeep as error:
        raise PatternProblem("too-large", str(error)) from error
    if size > _MAX_WRITTEN_OUT:
        raise PatternProblem("too-large", f"has {size} parts with repetitions written out; at most {_MAX_WRITTEN_OUT}")
    try:
        with warnings.catch_warnings():
            # A pattern that a later version of the module will read differently is an error now.
            warnings.simplefilter("error")
            return regex.compile(expanded, regex.IGNORECASE | regex.MULTILINE), node
    except (regex.error, Warning, RecursionError, OverflowError) as error:
        raise PatternProblem("syntax", f"not a regular expression ({error})") from error
