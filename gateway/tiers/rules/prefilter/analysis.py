"""From a pattern to what must stand in a text for it to match."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import regex

from gateway.tiers.rules.prefilter.folding import Folding
from gateway.tiers.rules.prefilter.language import (
    ANYTHING,
    NOTHING,
    Clause,
    Language,
    Near,
    either,
    found_beside,
    misread,
    repeated,
    then,
)
from gateway.tiers.rules.prefilter.parsing import (
    UNREADABLE,
    Node,
    class_of,
    folds_fully,
    kind_of,
    parse,
    property_class,
)

#: Bounds the work for one pattern. A pattern with more parts has no condition.
_MAX_NODES = 20_000
#: A class of more characters, folded, is taken for any character.
_MAX_CLASS = 12
_MAX_RANGE = 256
#: Marks that move a match's beginning, or ask where the search began, or end it: \\K, \\G, (*PRUNE) and the like.
_UNSTEADY = frozenset(("Keep", "SearchAnchor", "Prune", "Skip", "Failure"))


class _TooLarge(ValueError):
    """The pattern has more parts than are looked at."""


class Conditions(NamedTuple):
    """What a text must have for a pattern to match in it: a literal of each of ``clauses``, the most telling first, and
    what ``near`` says; and literals with one of which a match begins. Empty where nothing can be said, and where in
    doubt."""

    clauses: tuple[Clause, ...] = ()
    near: tuple[Near, ...] = ()
    beginnings: Clause = frozenset()


def conditions_of(pattern: regex.Pattern[str], folding: Folding) -> Conditions:
    """What must stand in a text, folded, for ``pattern`` to match in it."""
    tree = parse(pattern)
    if tree is None:
        return Conditions()
    try:
        analysis = _Analysis(folding)
        language = analysis.language(tree)
        # Searching for the best match tries every place, and its search may begin before the match.
        roaming = pattern.flags & (regex.REVERSE | regex.BESTMATCH | regex.ENHANCEMATCH)
        beginnings = language.beginnings() if analysis.steady and not roaming else frozenset()
        return Conditions(tuple(language.conditions()), language.near, beginnings)
    except UNREADABLE:
        return Conditions()


class _Analysis:
    def __init__(self, folding: Folding) -> None:
        self._fold = folding.fold
        self._left = _MAX_NODES
        #: Whether a match begins where the search for it began, and does not depend on where the search before ended.
        self.steady = True
        self._readers: Mapping[str, Callable[[Node], Language]] = {
            "Atomic": lambda node: self.language(node.subpattern),
            "Branch": lambda node: either([self.language(branch) for branch in node.branches]),
            "Character": self._character,
            "Conditional": lambda node: either([self.language(node.yes_item), self.language(node.no_item)]),
            "Fuzzy": self._fuzzy,
            "GreedyRepeat": self._repeat,
            "Group": lambda node: self.language(node.subpattern),
            "LazyRepeat": self._repeat,
            "LookAround": lambda node: found_beside(self.language(node.subpattern)) if node.positive else NOTHING,
            "LookAroundConditional": lambda node: either([self.language(node.yes_item), self.language(node.no_item)]),
            "PossessiveRepeat": self._repeat,
            "Property": self._one_of,
            "Range": self._one_of,
            "Sequence": self._sequence,
            "SetUnion": self._one_of,
            "String": self._string,
            "ZeroWidth": lambda node: NOTHING,
        }

    def language(self, node: Node) -> Language:
        """What a node matches. Of a kind not listed (references, recursion, graphemes) nothing is known."""
        self._left -= 1
        if self._left < 0:
            raise _TooLarge
        if class_of(node) in _UNSTEADY:
            self.steady = False
        reader = self._readers.get(kind_of(node))
        return ANYTHING if reader is None else reader(node)

    def _sequence(self, node: Node) -> Language:
        total = NOTHING
        for item in node.items:
            total = then(total, self.language(item))
        return total

    def _string(self, node: Node) -> Language:
        total = NOTHING
        for code in node.characters:
            total = then(total, Language(frozenset((self._fold(chr(code)),))))
        return ANYTHING if folds_fully(node) else total

    def _character(self, node: Node) -> Language:
        if not node.positive or folds_fully(node):
            return ANYTHING
        return Language(frozenset((self._fold(chr(node.value)),)))

    def _repeat(self, node: Node) -> Language:
        return repeated(self.language(node.subpattern), node.min_count, node.max_count)

    def _one_of(self, node: Node) -> Language:
        if not node.positive or folds_fully(node):
            return ANYTHING
        members = self._members(node)
        return Language(frozenset(members)) if members and len(members) <= _MAX_CLASS else ANYTHING

    def _members(self, node: Node) -> set[str] | None:
        """The folded characters of a class; ``None`` when there are many, or it cannot be told."""
        kind = kind_of(node)
        if not node.positive:
            return None
        if kind == "Character":
            return {self._fold(chr(node.value))}
        if kind == "Property":
            name = property_class(node)
            return None if name is None else {name}
        if kind == "Range":
            if node.upper - node.lower >= _MAX_RANGE:
                return None
            return {self._fold(chr(code)) for code in range(node.lower, node.upper + 1)}
        if kind != "SetUnion":
            return None
        total: set[str] = set()
        for item in node.items:
            members = self._members(item)
            if members is None or len(total | members) > _MAX_CLASS:
                return None
            total |= members
        return total

    def _fuzzy(self, node: Node) -> Language:
        limits = node.constraints
        bounds = [limits["e"][1]]
        kinds = [limits[kind][1] for kind in "dis"]
        bounds.append(None if None in kinds else sum(kinds))
        cost = limits["cost"]
        cheapest = min(cost[kind] for kind in "dis")
        bounds.append(cost["max"] // cheapest if cost["max"] is not None and cheapest > 0 else None)
        known = [bound for bound in bounds if bound is not None]
        return misread(self.language(node.subpattern), min(known)) if known else ANYTHING
