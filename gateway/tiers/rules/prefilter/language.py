"""What all matches of a pattern have in common: literals that they consist of, begin with, end with or contain.

The analysis of *Google RE2's* prefilter, with beginnings and ends kept apart so that literals grow across parts whose
length varies. All sets are bounded; what does not fit is given up, which weakens the condition and never falsifies it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

#: One clause: at least one of these literals stands in the text.
Clause = frozenset[str]

_MAX_CROSS = 24
_MAX_UNION = 256
_MAX_CHARS = 32
#: How much of a long literal goes on growing at its end.
_KEPT_CHARS = 12
_MAX_CLAUSES = 16
#: Pieces of a literal that may be misread: shorter ones tell little, and more of them make many clauses.
_MIN_PIECE = 3
_MAX_CHOICES = 10
_EMPTY = frozenset(("",))
_BLANK = frozenset((" ",))

#: How often a character stands in 1,000 characters of business text, roughly: only the choice between literals depends
#: on it, never what is found.
_COMMON_CHARACTERS = "etaoinsrhldcumfpgwybvkxjqz.,-:/"
_COUNTS = (90, 65, 60, 60, 52, 52, 48, 48, 35, 35, 30, 25, 25, 22, 17, 17, 15, 15, 15, 12, 8, 7, 3, 2, 2, 2)
_FREQUENCY = {" ": 170, "0": 80} | dict(zip(_COMMON_CHARACTERS, (*_COUNTS, 12, 12, 8, 8, 5), strict=True))
_RARE = 2


def expected(clause: Clause) -> float:
    """About how often the literals of a clause stand in 1,000 characters of any text."""
    total = 0.0
    for literal in clause:
        chance = 1000.0
        for char in literal:
            chance *= _FREQUENCY.get(char, _RARE) / 1000
        total += chance
    return total


@dataclass(frozen=True)
class Near:
    """``least`` of these pieces of one literal stand in the text, each as far from the others as in the literal.

    A piece comes with its offset in the literal; distances may differ by ``tolerance`` characters.
    """

    pieces: tuple[tuple[str, int], ...]
    least: int
    tolerance: int


@dataclass(frozen=True)
class Language:
    """A superset of what a pattern matches, folded.

    ``exact`` holds all matches where they are few. Else every match begins with one of ``prefix`` and ends with one of
    ``suffix``. The text around holds one literal of each of ``clauses``, and what ``near`` says.
    """

    exact: frozenset[str] | None
    prefix: frozenset[str] = _EMPTY
    suffix: frozenset[str] = _EMPTY
    clauses: tuple[Clause, ...] = ()
    near: tuple[Near, ...] = ()

    def conditions(self) -> list[Clause]:
        """What must stand in a text for a match, the most telling first; empty when nothing need."""
        whole = (self.prefix, self.suffix) if self.exact is None else (self.exact,)
        clauses = [minimal(clause) for clause in {*self.clauses, *whole} if "" not in clause]
        return sorted(clauses, key=lambda clause: (expected(clause), sorted(clause)))

    def beginnings(self) -> Clause:
        """Literals of which one begins every match; empty where there are none."""
        literals = self.prefix if self.exact is None else self.exact
        return frozenset() if "" in literals else _shortest(literals, str.startswith)

    def loosened(self) -> Language:
        """The same with beginnings and ends in place of whole matches."""
        if self.exact is None:
            return self
        clauses = self.clauses
        if "" not in self.exact and max(map(len, self.exact)) > _KEPT_CHARS:
            clauses = _with(clauses, frozenset(literal[:_MAX_CHARS] for literal in self.exact))
        prefix = _shortest(frozenset(literal[:_KEPT_CHARS] for literal in self.exact), str.startswith)
        suffix = _shortest(frozenset(literal[-_KEPT_CHARS:] for literal in self.exact), str.endswith)
        return Language(None, prefix, suffix, clauses, self.near)


#: Matches nothing but the place it stands at.
NOTHING = Language(_EMPTY)
#: Nothing is known of what it matches.
ANYTHING = Language(None)


def then(left: Language, right: Language) -> Language:
    """What matches one behind the other."""
    near = left.near + right.near
    if left.exact is not None and right.exact is not None:
        exact = _cross(left.exact, right.exact)
        if exact is not None:
            return Language(exact, clauses=_with(left.clauses, *right.clauses), near=near)
    if left.exact == _EMPTY:
        return Language(None, right.prefix, right.suffix, _with(left.clauses, *right.clauses), near)
    if right.exact == _EMPTY:
        return Language(None, left.prefix, left.suffix, _with(left.clauses, *right.clauses), near)
    first, second = left.loosened(), right.loosened()
    clauses = _with(first.clauses, *second.clauses)
    # A short literal that stands for a longer one says how a match begins, but not how it goes on: what grows is whole.
    longer = _cross(left.exact, second.prefix) if left.exact is not None else None
    longer_end = _cross(first.suffix, right.exact) if right.exact is not None else None
    if longer is None and longer_end is None:
        joined = _cross(first.suffix, second.prefix)
        clauses = _with(clauses, *((first.suffix, second.prefix) if joined is None else (joined,)))
    return Language(None, longer or first.prefix, longer_end or second.suffix, clauses, near)


def either(branches: Sequence[Language]) -> Language:
    """What matches one of them."""
    if len(branches) == 1:
        return branches[0]
    chosen = [branch.conditions() for branch in branches]
    shared = frozenset().union(*(found[0] for found in chosen)) if all(chosen) else None
    exacts = [branch.exact for branch in branches if branch.exact is not None]
    if len(exacts) == len(branches):
        exact = frozenset().union(*exacts)
        if len(exact) <= _MAX_UNION:
            clauses = (shared,) if shared and any(branch.clauses for branch in branches) else ()
            return Language(exact, clauses=_with((), *clauses))
    loose = [branch.loosened() for branch in branches]
    prefix = frozenset().union(*(branch.prefix for branch in loose))
    suffix = frozenset().union(*(branch.suffix for branch in loose))
    return Language(
        None,
        _shortest(prefix, str.startswith) if len(prefix) <= _MAX_UNION else _EMPTY,
        _shortest(suffix, str.endswith) if len(suffix) <= _MAX_UNION else _EMPTY,
        _with((), *((shared,) if shared else ())),
    )


def repeated(part: Language, least: int, most: int | None) -> Language:
    """What matches ``least`` to ``most`` times (``None``: without bound), one behind the other."""
    if part.exact == _BLANK and most != 0:
        return Language(_BLANK if least else _BLANK | _EMPTY)
    if least == 0:
        return either([NOTHING, Language(part.exact, part.prefix, part.suffix)]) if most == 1 else ANYTHING
    total = part
    counted = 1
    while counted < min(least, _MAX_CHARS) and total.exact is not None and part.exact != _EMPTY:
        following = then(total, part)
        if following.exact is None:
            break
        total, counted = following, counted + 1
    if counted == least == most or part.exact == _EMPTY:
        return total
    if counted == least and most is not None and most - least <= 2 and total.exact is not None:
        lengths = [total]
        for _ in range(most - least):
            lengths.append(then(lengths[-1], Language(part.exact, part.prefix, part.suffix)))
        return either(lengths)
    # It begins and ends with as many as were counted.
    return total.loosened()


def found_beside(part: Language) -> Language:
    """A place beside which ``part`` stands: a lookaround."""
    return Language(_EMPTY, clauses=_with((), *part.conditions()), near=part.near)


def misread(part: Language, errors: int) -> Language:
    """What matches with at most so many characters added, dropped or replaced.

    Cut into pieces of which ``errors`` are harmed, of any ``errors + 1`` pieces one stands in the text (the pigeonhole
    principle): one clause for each choice of pieces.
    """
    literals = sorted(part.exact or _EMPTY)
    shortest = min(map(len, literals))
    count = errors + 1
    while shortest // (count + 1) >= _MIN_PIECE and math.comb(count + 1, errors + 1) <= _MAX_CHOICES:
        count += 1
    if shortest < count:
        return ANYTHING
    cut = [_pieces(literal, count) for literal in literals]
    choices = combinations(range(count), errors + 1)
    clauses = [frozenset(pieces[number][0] for pieces in cut for number in choice) for choice in choices]
    near: tuple[Near, ...] = ()
    if len(literals) == 1 and count > errors + 1:
        # An error moves what is behind it by one character, or by two where it parts or joins blanks.
        near = (Near(tuple(cut[0]), count - errors, 2 * errors),)
    return Language(None, clauses=_with((), *clauses), near=near)


def _pieces(literal: str, count: int) -> list[tuple[str, int]]:
    """A literal cut into pieces of about one length, each with its offset."""
    bounds = [len(literal) * number // count for number in range(count + 1)]
    return [(literal[start:end], start) for start, end in pairwise(bounds)]


def minimal(clause: Clause) -> Clause:
    """The clause without literals that contain another of its literals."""
    kept: list[str] = []
    for literal in sorted(clause, key=len):
        if not any(other in literal for other in kept):
            kept.append(literal)
    return frozenset(kept)


def _cross(left: frozenset[str], right: frozenset[str]) -> frozenset[str] | None:
    if len(left) * len(right) > _MAX_CROSS and left != _EMPTY and right != _EMPTY:
        return None
    joined = frozenset(_squeezed(first, second) for first in left for second in right)
    return joined if all(len(literal) <= _MAX_CHARS for literal in joined) else None


def _squeezed(first: str, second: str) -> str:
    """One behind the other; several blanks in a row are one, in texts as in literals."""
    return first + second[1:] if first[-1:] == second[:1] == " " else first + second


def _shortest(literals: frozenset[str], covers: Callable[[str, str], bool]) -> frozenset[str]:
    """Without literals that begin (or end) with another of them, which says as much."""
    if "" in literals:
        return _EMPTY
    kept: list[str] = []
    for literal in sorted(literals, key=lambda literal: (len(literal), literal)):
        if not any(covers(literal, other) for other in kept):
            kept.append(literal)
    return frozenset(kept)


def _with(clauses: tuple[Clause, ...], *more: Clause) -> tuple[Clause, ...]:
    """The most telling of all clauses."""
    useful = {clause for clause in (*clauses, *more) if "" not in clause and len(clause) <= _MAX_UNION}
    if len(useful) <= _MAX_CLAUSES:
        return tuple(useful)
    return tuple(sorted(useful, key=expected)[:_MAX_CLAUSES])
