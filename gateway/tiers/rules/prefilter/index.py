"""The index of all rules' literals: one scan of a text says which rules can find anything in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import regex
from ahocorasick_rs import BytesAhoCorasick, Implementation

from gateway.tiers.rules.prefilter.analysis import Conditions, conditions_of
from gateway.tiers.rules.prefilter.folding import Alphabet, Folding
from gateway.tiers.rules.prefilter.language import Clause, Near, expected

Compiled = regex.Pattern[str]

#: Clauses kept for one rule. The first wakes it, the others may put it back to sleep.
_MAX_CLAUSES = 10
#: A clause whose literals stand in almost every text, more often than this in 1,000 characters, tells nothing; but one
#: of few literals is quickly looked for, and some texts have no digit.
_COMMON = 2.0
_FEW = 4
#: Literals up to this length are looked for one by one: they stand in so many places that listing them costs more.
_SHORT = 2
_MAX_SHORT = 64
#: A pattern is searched for, not tried in places, where there is more than one of these in so many characters: each try
#: costs about what it costs to search them.
_CHARACTERS_A_PLACE = 200
_MAX_BEGINNINGS = 32


class Prefilter:
    """Which rules can find something in a text.

    Args:
        needs: for every rule, the patterns that must all match somewhere in a text for the rule to find anything there;
            none for a rule that is to be run always.
    """

    def __init__(self, needs: Sequence[Iterable[Compiled]]) -> None:
        folding = Folding()
        known: dict[Compiled, Conditions] = {}
        conditions = [_conditions(patterns, folding, known) for patterns in needs]
        literals = _literals((*conditions, *known.values()))
        self._alphabet = Alphabet(folding, {char for literal in literals for char in literal})
        numbers: dict[bytes, int] = {}

        def number_of(literal: str) -> int:
            return numbers.setdefault(self._alphabet.encode(literal), len(numbers))

        clauses = [[frozenset(map(number_of, clause)) for clause in chosen.clauses] for chosen in conditions]
        self._near = [
            tuple(
                _Near(tuple((number_of(piece), offset) for piece, offset in near.pieces), near.least, near.tolerance)
                for near in chosen.near
            )
            for chosen in conditions
        ]
        self._beginnings = [
            tuple(
                (pattern, frozenset(map(number_of, known[pattern].beginnings)))
                for pattern in patterns
                if _worth_trying(known[pattern].beginnings)
            )
            for patterns in needs
        ]
        pieces = {number for nears in self._near for near in nears for number, _ in near.pieces}
        few = [pair for pair in numbers.items() if len(pair[0]) <= _SHORT and pair[1] not in pieces]
        self._short = tuple(few[:_MAX_SHORT])
        apart = {literal for literal, _ in self._short}
        scanned = [(literal, number) for literal, number in numbers.items() if literal not in apart]
        self._scanned = [number for _, number in scanned]
        self._automaton = (
            BytesAhoCorasick([literal for literal, _ in scanned], implementation=Implementation.ContiguousNFA)
            if scanned
            else None
        )
        self._always = tuple(number for number, chosen in enumerate(clauses) if not chosen)
        self._checks = [tuple(chosen[1:]) for chosen in clauses]
        woken: defaultdict[int, list[int]] = defaultdict(list)
        for rule, chosen in enumerate(clauses):
            for literal_number in chosen[0] if chosen else ():
                woken[literal_number].append(rule)
        self._woken = dict(woken)

    @property
    def always(self) -> tuple[int, ...]:
        """The rules of whose patterns nothing is known: they are run on every text."""
        return self._always

    @property
    def literals(self) -> int:
        """How many literals are looked for."""
        return len(self._short) + len(self._scanned)

    def awake(self, text: str) -> list[int]:
        """The numbers of the rules that can find something in ``text``, in order. All others find nothing there."""
        return self.scan(text).rules

    def scan(self, text: str) -> Scan:
        """What can be found in ``text``, and where to look for it."""
        folded = self._alphabet.fold(text)
        content = folded.content
        matches = [] if self._automaton is None else self._automaton.find_matches_as_indexes(content, overlapping=True)
        hits = {number for literal, number in self._short if literal in content}
        hits.update(map(self._scanned.__getitem__, {match[0] for match in matches}))
        woken = self._woken
        rules: set[int] = set(self._always)
        for number in hits:
            rules.update(woken.get(number, ()))
        checks = self._checks
        awake = sorted(rule for rule in rules if not any(hits.isdisjoint(clause) for clause in checks[rule]))
        near, beginnings = self._near, self._beginnings
        wanted = {number for rule in awake for condition in near[rule] for number, _ in condition.pieces}
        wanted.update(number for rule in awake for _, numbers in beginnings[rule] for number in numbers)
        positions: dict[int, list[int]] = {number: [] for number in wanted}
        if positions:
            for index, start, _ in matches:
                number = self._scanned[index]
                if number in positions:
                    positions[number].append(start)
        awake = [rule for rule in awake if all(condition.holds(positions) for condition in near[rule])]
        starts: dict[Compiled, list[int]] = {}
        for rule in awake:
            for pattern, numbers in beginnings[rule]:
                if pattern not in starts:
                    places = sorted(place for number in numbers for place in positions[number])
                    if len(places) <= 1 + len(text) // _CHARACTERS_A_PLACE:
                        starts[pattern] = folded.origins(places)
        return Scan(awake, starts)


@dataclass(frozen=True)
class Scan:
    """The numbers of the rules that can find something in a text, in order; and for some of their patterns all places,
    in order, where a match can begin."""

    rules: list[int]
    starts: Mapping[Compiled, list[int]]


@dataclass(frozen=True)
class _Near:
    """:class:`Near`, with literals' numbers."""

    pieces: tuple[tuple[int, int], ...]
    least: int
    tolerance: int

    def holds(self, positions: Mapping[int, Sequence[int]]) -> bool:
        """Whether pieces at these positions stand as far from each other as in the literal."""
        placed = sorted(
            (position - offset, piece)
            for piece, (number, offset) in enumerate(self.pieces)
            for position in positions[number]
        )
        last = 0
        for first, (place, _) in enumerate(placed):
            while last < len(placed) and placed[last][0] <= place + self.tolerance:
                last += 1
            if last - first >= self.least and len({piece for _, piece in placed[first:last]}) >= self.least:
                return True
        return False


def _worth_trying(beginnings: Clause) -> bool:
    """Whether to keep in mind where matches can begin: at few places, that can be told. A blank stands for several."""
    return (
        0 < len(beginnings) <= _MAX_BEGINNINGS
        and min(map(len, beginnings)) > _SHORT
        and not any(literal.startswith(" ") for literal in beginnings)
        and expected(beginnings) <= _COMMON
    )


def _literals(conditions: Iterable[Conditions]) -> Iterator[str]:
    for chosen in conditions:
        for clause in chosen.clauses:
            yield from clause
        for near in chosen.near:
            yield from (piece for piece, _ in near.pieces)
        yield from chosen.beginnings


def _conditions(patterns: Iterable[Compiled], folding: Folding, known: dict[Compiled, Conditions]) -> Conditions:
    """What all the patterns of a rule need; ``known`` keeps what each needs."""
    clauses: set[Clause] = set()
    near: tuple[Near, ...] = ()
    for pattern in patterns:
        if pattern not in known:
            known[pattern] = conditions_of(pattern, folding)
        clauses.update(known[pattern].clauses)
        near += known[pattern].near
    telling = [clause for clause in clauses if len(clause) <= _FEW or expected(clause) <= _COMMON]
    telling.sort(key=lambda clause: (expected(clause), sorted(clause)))
    return Conditions(tuple(telling[:_MAX_CLAUSES]), near)
