"""What is remembered of patterns from one look at them to the next, so that an edit costs what was edited."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.tiers.rules.lint.hazards import Hazard, hazards, loose_errors
from gateway.tiers.rules.lint.probing import Probe
from gateway.tiers.rules.patterns import Compiled, read_pattern
from gateway.tiers.rules.syntax import Node

#: A pattern's structure takes some hundred bytes a character.
_MAX_CHARACTERS = 300_000


@dataclass(frozen=True)
class PatternFacts:
    """A pattern with all that its text alone decides.

    ``probes`` holds what trying it showed, by the numbers of the suspicions that it was tried for.
    """

    compiled: Compiled
    node: Node
    loose_errors: tuple[str, ...]
    suspicions: tuple[Hazard, ...]
    probes: dict[tuple[int, ...], Probe] = field(default_factory=dict)


class PatternMemory:
    """Remembers patterns by their text, the library's names filled in. For one thread.

    One that is kept from check to check (hot reload) makes the next one as cheap as the edit; the patterns that were
    not used for longest are forgotten first.

    Args:
        characters: how many characters the remembered patterns have together.
    """

    def __init__(self, characters: int = _MAX_CHARACTERS) -> None:
        self._room = characters
        self._known: OrderedDict[str, PatternFacts] = OrderedDict()

    def facts(self, expanded: str) -> PatternFacts:
        """What there is to know of a pattern.

        Raises:
            PatternProblem: it cannot be used; that is not remembered.
        """
        found = self._known.get(expanded)
        if found is not None:
            self._known.move_to_end(expanded)
            return found
        compiled, node = read_pattern(expanded)
        found = self._known[expanded] = PatternFacts(compiled, node, tuple(loose_errors(node)), tuple(hazards(node)))
        self._room -= len(expanded)
        while self._room < 0 and len(self._known) > 1:
            forgotten, _ = self._known.popitem(last=False)
            self._room += len(forgotten)
        return found

    def compiled(self, expanded: str) -> Compiled:
        """A pattern compiled (:func:`gateway.tiers.rules.patterns.compile_pattern`)."""
        return self.facts(expanded).compiled
