"""Where a rule looks, what must hold there, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import regex

from gateway.document import Span
from gateway.tiers.rules.budget import Budget
from gateway.tiers.rules.schema import Lines
from gateway.tiers.rules.text import Text
from gateway.values import ValueType

Compiled = regex.Pattern[str]

#: A rule looks at no more than this many places in one document.
MAX_MATCHES = 200
#: A longer value is no value of a field but a whole text that happened to match.
MAX_VALUE_CHARS = 1000

#: Reading takes longer for longer texts, and nothing as long as this is a date, an amount or an account number.
MAX_READ_CHARS = 200
_LONG_TYPES: Mapping[ValueType, int] = {"text": MAX_VALUE_CHARS, "url": MAX_VALUE_CHARS, "email": 320}


def longest_value(kind: ValueType) -> int:
    """How many characters a value of a type may have to be read at all."""
    return _LONG_TYPES.get(kind, MAX_READ_CHARS)


_NEIGHBOUR = {"previous": -1, "line": 0, "next": 1}


@dataclass(frozen=True)
class Found:
    """Where a rule found a value; ``value`` is set where it differs from the text (lookups)."""

    span: Span
    value: str | None = None


def value_span(match: regex.Match[str]) -> Span:
    """The group ``value`` where the pattern has one and it took part, else the whole match."""
    if "value" in match.re.groupindex:
        span = match.span("value")
        if span[0] >= 0:
            return span
    return match.span()


@dataclass(frozen=True)
class Scope:
    """The part of the text a rule looks at, and its compiled ``require`` and ``forbid``: (where, pattern, whether
    wanted)."""

    lines: Lines | None = None
    after: Compiled | None = None
    before: Compiled | None = None
    checks: tuple[tuple[str, Compiled, bool], ...] = ()
    document_checks: tuple[tuple[Compiled, bool], ...] = ()

    @property
    def needs(self) -> tuple[Compiled, ...]:
        """Patterns that must all match somewhere in a text for anything to be found there."""
        wanted = [pattern for _, pattern, wanted in self.checks if wanted]
        wanted += [pattern for pattern, wanted in self.document_checks if wanted]
        return (*wanted, self.after) if self.after is not None else tuple(wanted)

    def region(self, text: Text, budget: Budget) -> Span | None:
        """Where the rule looks, or ``None``: what must stand before is not there, or the document is ruled out.

        Raises:
            TimeoutError: the budget has run out.
        """
        for pattern, wanted in self.document_checks:
            if (pattern.search(text.text, timeout=budget.left()) is not None) is not wanted:
                return None
        start, end = text.region(self.lines)
        if self.after is not None:
            match = self.after.search(text.text, start, end, timeout=budget.left())
            if match is None:
                return None
            start = match.end()
        if self.before is not None:
            match = self.before.search(text.text, start, end, timeout=budget.left())
            if match is not None:
                end = match.start()
        return start, end

    def numbers(self, text: Text, budget: Budget) -> range:
        """The numbers of the lines of which the region holds anything."""
        region = self.region(text, budget)
        if region is None:
            return range(0)
        return range(text.line_at(region[0]), text.line_at(region[1]) + 1)

    def holds(self, text: Text, line: int, span: Span, budget: Budget) -> bool:
        """Whether all conditions hold for evidence on ``line`` with its value at ``span``."""
        for where, pattern, wanted in self.checks:
            subject = text.text[span[0] : span[1]] if where == "value" else text.line(line + _NEIGHBOUR[where])
            if (pattern.search(subject, timeout=budget.left()) is not None) is not wanted:
                return False
        return True
