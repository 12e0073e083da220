"""The kinds of rules at work: each finds spans in a text, within its budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Protocol, runtime_checkable

import regex

from gateway.document import Span
from gateway.tiers.rules.budget import Budget
from gateway.tiers.rules.scope import MAX_MATCHES, MAX_READ_CHARS, MAX_VALUE_CHARS, Compiled, Found, Scope, value_span
from gateway.tiers.rules.table import Alike, Table, fold
from gateway.tiers.rules.text import Text
from gateway.values import canonical


class Finder(Protocol):
    """One rule's evidence. A finder that is :class:`Selective` too is not tried where it cannot find anything."""

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        """What is found, in the order of the text.

        Raises:
            TimeoutError: the budget has run out.
        """
        ...


@runtime_checkable
class Selective(Protocol):
    """A finder that says what it cannot do without."""

    @property
    def needs(self) -> tuple[Compiled, ...]:
        """Patterns of which each must match some stretch of a text for anything to be found there."""
        ...


def _matches(pattern: Compiled, text: Text, region: Span, budget: Budget) -> Iterator[regex.Match[str]]:
    """``pattern.finditer`` over the region, tried only where a match can begin as far as that is known."""
    places = text.places.get(pattern)
    if places is None:
        yield from pattern.finditer(text.text, *region, timeout=budget.left())
        return
    position, end = region
    for place in places:
        if position <= place < end:
            match = pattern.match(text.text, place, end, timeout=budget.left())
            if match is not None:
                yield match
                position = match.end()


@dataclass(frozen=True)
class PatternFinder:
    """Every match of ``pattern`` in the region."""

    pattern: Compiled
    scope: Scope

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return (self.pattern, *self.scope.needs)

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        region = self.scope.region(text, budget)
        if region is None:
            return
        for match in islice(_matches(self.pattern, text, region, budget), MAX_MATCHES):
            span = value_span(match)
            if self.scope.holds(text, text.line_at(span[0]), span, budget):
                yield Found(span)


@dataclass(frozen=True)
class AnchorFinder:
    """A value behind or below every match of ``label`` in the region."""

    label: Compiled
    value: Compiled
    same_line: bool
    reach: int
    between: Compiled
    scope: Scope

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return (self.label, self.value, *self.scope.needs)

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        region = self.scope.region(text, budget)
        if region is None:
            return
        for label in islice(_matches(self.label, text, region, budget), MAX_MATCHES):
            span = self._value(text, label.end(), budget)
            if span is not None and self.scope.holds(text, text.line_at(label.start()), span, budget):
                yield Found(span)

    def _value(self, text: Text, offset: int, budget: Budget) -> Span | None:
        line = text.line_at(offset)
        if self.same_line and offset < text.ends[line]:
            match = self.value.search(text.text, offset, text.ends[line], timeout=budget.left())
            if match:
                return value_span(match)
        for below in range(line + 1, min(line + 1 + self.reach, len(text.starts))):
            start, end = text.starts[below], text.ends[below]
            match = self.value.search(text.text, start, end, timeout=budget.left())
            if match:
                return value_span(match)
            if not self.between.fullmatch(text.text, start, end, timeout=budget.left()):
                return None
        return None


@dataclass(frozen=True)
class PositionFinder:
    """The first line that ``skip`` leaves over."""

    pattern: Compiled
    skip: Compiled | None
    scope: Scope

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return (self.pattern, *self.scope.needs)

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        for number in self.scope.numbers(text, budget):
            start, end = text.starts[number], text.ends[number]
            if end - start > MAX_VALUE_CHARS:
                continue
            if self.skip and self.skip.search(text.text, start, end, timeout=budget.left()):
                continue
            match = self.pattern.search(text.text, start, end, timeout=budget.left())
            if match and self.scope.holds(text, number, value_span(match), budget):
                yield Found(value_span(match))
            return


@dataclass(frozen=True)
class BlockFinder:
    """Consecutive lines between two signs."""

    start: Compiled
    until: Compiled | None
    stop: Compiled | None
    most: int
    contain: Compiled | None
    scope: Scope

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return (self.start, *((self.contain,) if self.contain else ()), *self.scope.needs)

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        region = self.scope.region(text, budget)
        if region is None:
            return
        position, end = region
        for _ in range(MAX_MATCHES):
            match = self.start.search(text.text, position, end, timeout=budget.left())
            if match is None:
                return
            begin = value_span(match)[0]
            line = text.line_at(begin)
            finish = self._finish(text, line, begin, budget)
            position = max(match.end(), text.ends[line])
            if finish is not None and self._wanted(text, line, (begin, finish), budget):
                yield Found((begin, finish))
                position = max(position, finish)
            # The next block begins on a line of its own.
            position += 1
            if position >= end:
                return

    def _wanted(self, text: Text, line: int, span: Span, budget: Budget) -> bool:
        if self.contain is not None and not self.contain.search(text.text, *span, timeout=budget.left()):
            return False
        return self.scope.holds(text, line, span, budget)

    def _finish(self, text: Text, line: int, begin: int, budget: Budget) -> int | None:
        """Where the block ends; ``None`` when ``until`` leaves nothing of it."""
        finish = text.ends[min(line + self.most, len(text.starts)) - 1]
        until = self.until.search(text.text, begin, finish, timeout=budget.left()) if self.until else None
        if until:
            finish = begin + len(text.text[begin : until.start()].rstrip())
        stop = self.stop.search(text.text, begin, finish, timeout=budget.left()) if self.stop else None
        if stop:
            finish = stop.end()
        return finish if finish > begin else None


@dataclass(frozen=True)
class LookupFinder:
    """Windows of up to ``span`` lines that equal, or are like, an entry of the table; the likest first."""

    table: Table
    span: int
    cut: Compiled | None
    fuzzy: float | None
    same_digits: bool
    keep_writing: bool
    scope: Scope

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return self.scope.needs

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        lines = list(self._lines(text, budget))
        joined = "".join(folded for _, _, folded in lines)
        likely = self.table.likely(joined, budget.left) if self.fuzzy is not None else []
        alike = Alike(likely, same_digits=self.same_digits)
        found: list[tuple[float, Span, str]] = []
        for first, (number, (start, _), beginning) in enumerate(lines):
            if not beginning or not (alike or self.table.may_begin(beginning)):
                continue
            window = ""
            for _, (_, end), folded in lines[first : first + self.span]:
                window += folded
                if len(window) > MAX_VALUE_CHARS:
                    break
                # A window does not end with a line that says nothing.
                hit = self._value(window, alike, budget) if folded else None
                if hit is not None and self.scope.holds(text, number, (start, end), budget):
                    found.append((-hit[0], (start, end), hit[1]))
        for _, (start, end), value in sorted(found):
            raw = text.text[start:end]
            span = start + len(raw) - len(raw.lstrip()), start + len(raw.rstrip())
            same = self.keep_writing and fold(value) == fold(raw)
            yield Found(span, None if same else value)

    def _lines(self, text: Text, budget: Budget) -> Iterator[tuple[int, Span, str]]:
        numbers = self.scope.numbers(text, budget)
        cuts: dict[int, int] = {}
        if self.cut and numbers:
            region = text.starts[numbers[0]], text.ends[numbers[-1]]
            for match in self.cut.finditer(text.text, *region, timeout=budget.left()):
                cuts.setdefault(text.line_at(match.start()), match.start())
        for number in numbers:
            start, end = text.starts[number], cuts.get(number, text.ends[number])
            # A line too long to be part of a value parts its neighbours.
            folded = text.folded(start, end) if end - start <= MAX_VALUE_CHARS else "\0"
            yield number, (start, end), folded

    def _value(self, window: str, alike: Alike, budget: Budget) -> tuple[float, str] | None:
        budget.left()
        exact = self.table.exact(window)
        if exact is not None:
            return 100.0, exact
        return alike.best(window, self.fuzzy, budget.left) if alike and self.fuzzy is not None else None


@dataclass(frozen=True)
class BalanceFinder:
    """An amount that, with the change, makes the amount paid."""

    amount: Compiled
    with_change: bool
    apart: int
    scope: Scope

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return (self.amount, *self.scope.needs)

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        region = self.scope.region(text, budget)
        if region is None:
            return
        key = (self.amount, region)
        amounts = text.amounts.get(key)
        if amounts is None:
            amounts = text.amounts[key] = list(self._amounts(text, region, budget))
        for first, (span, due) in enumerate(amounts):
            following = [amount for _, amount in amounts[first + 1 : first + 3 + 2 * self.apart]]
            if self._settled(due, following) and self.scope.holds(text, text.line_at(span[0]), span, budget):
                yield Found(span)

    def _amounts(self, text: Text, region: Span, budget: Budget) -> Iterator[tuple[Span, Decimal]]:
        for match in islice(self.amount.finditer(text.text, *region, timeout=budget.left()), MAX_MATCHES):
            span = value_span(match)
            if span[1] - span[0] > MAX_READ_CHARS:
                continue
            # Reading an amount may take longer than finding it did.
            budget.left()
            amount = _amount(text.text[slice(*span)])
            if amount is not None:
                yield span, amount

    def _settled(self, due: Decimal, following: list[Decimal]) -> bool:
        for position, paid in enumerate(following[: self.apart + 1]):
            change = paid - due
            given_back = following[position + 1 : position + 2 + self.apart]
            if due > 0 and change >= 0 and (change > 0) is self.with_change and change in given_back:
                return True
        return False


def _amount(raw: str) -> Decimal | None:
    """An amount without its sign: what was paid is printed as -50.00 by some tills, and .20 is 0.20."""
    if not raw[:1].isdigit():
        whole, mark, decimals = raw.partition(".")
        raw = raw if any(map(str.isdigit, whole)) else f"0{mark}{decimals}"
    number = canonical("money", raw)
    return None if number is None else abs(Decimal(number))
