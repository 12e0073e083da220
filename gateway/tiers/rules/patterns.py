"""Patterns as rules use them: the library's names filled in, their size bounded, compiled."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from difflib import get_close_matches
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

#: How many names are shown that may have been meant, and how alike they must be (``difflib``).
_MOST_ALIKE = 3
_LEAST_ALIKE = 0.5
#: Characters shown on either side of what is wrong.
_SHOWN = 30

PatternProblemKind = Literal["unknown-name", "circle", "too-long", "too-large", "syntax", "duplicate"]


class PatternProblem(ValueError):
    """A pattern cannot be used.

    ``what`` is wrong ``position`` characters into the pattern with the library's names filled in, where that is known.
    """

    def __init__(self, kind: PatternProblemKind, message: str, what: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.what = what
        self.position = position


def expand(source: str, library: Mapping[str, str]) -> str:
    """``source`` with every ``{{name}}`` replaced by the library's pattern of that name, in a group.

    Raises:
        PatternProblem: a name is unknown, names lead in a circle, or the result is too long.
    """

    def named(match: regex.Match[str]) -> str:
        name = match[1]
        if name not in library:
            raise PatternProblem(
                "unknown-name", f"no recogniser {{{{{name}}}}} in the library; {_alike(name, library)}"
            )
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


def _alike(name: str, known: Collection[str]) -> str:
    """What may have been meant by a name that is not known."""
    near = get_close_matches(name, sorted(known), n=_MOST_ALIKE, cutoff=_LEAST_ALIKE)
    if not near:
        return f"none of the {len(known)} there are has a name like it"
    return f"most like it: {', '.join(near)} (of {len(known)})"


def names_in(source: str) -> list[str]:
    """The names in double braces that a pattern uses, in order."""
    return [match[1] for match in REFERENCE.finditer(source)]


def located(problem: PatternProblem, source: str, library: Mapping[str, str]) -> PatternProblem:
    """The same problem, its place told in ``source``, as its author wrote it."""
    if problem.position is None:
        return problem
    position = _position_in(source, problem.position, library)
    if isinstance(position, str):
        where = f"inside what {position} stands for"
    else:
        before = source[:position] if position <= _SHOWN else f"…{source[position - _SHOWN : position]}"
        after = source[position:] if len(source) - position <= _SHOWN else f"{source[position : position + _SHOWN]}…"
        where = f"at the end of {quoted(before)}"
        if after:
            where = f"at character {position}, between {quoted(before)} and {quoted(after)}"
    return PatternProblem(
        problem.kind, f"not a regular expression ({problem.what} {where})", problem.what, problem.position
    )


def quoted(pattern: str) -> str:
    """A pattern in quotes as it is written; only line breaks and tabs are shown by their escapes."""
    return "'" + pattern.translate({10: r"\n", 13: r"\r", 9: r"\t"}) + "'"


def _position_in(source: str, position: int, library: Mapping[str, str]) -> int | str:
    """Where in ``source`` stands what is ``position`` characters into it once names are filled in; the ``{{name}}``
    where that is inside a recogniser."""
    grown = 0
    for match in REFERENCE.finditer(source):
        if position <= match.start() + grown:
            break
        length = len(expand(match[0], library))
        if position < match.start() + grown + length:
            return str(match[0])
        grown += length - len(match[0])
    return min(position - grown, len(source))


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
    except regex.error as error:
        what, position = getattr(error, "msg", str(error)), getattr(error, "pos", None)
        raise PatternProblem("syntax", f"not a regular expression ({error})", what, position) from error
    except (Warning, RecursionError, OverflowError) as error:
        raise PatternProblem("syntax", f"not a regular expression ({error})") from error
