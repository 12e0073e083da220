"""Lists of words: entries found anywhere in a text, as whole words, in time that does not grow with the list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import regex

from gateway.document import Span
from gateway.tiers.rules.budget import Budget
from gateway.tiers.rules.patterns import Compiled
from gateway.tiers.rules.scope import MAX_MATCHES, Found, Scope
from gateway.tiers.rules.table import Table, fold
from gateway.tiers.rules.text import Text

#: Words of an entry: runs of letters and digits, with what joins them (St. Mary's, R-17). It cannot run away, and is
#: searched without a limit of time: looking at the clock takes longer than finding a word.
_WORD = regex.compile(r"\w+(?:[-'\u2019&/]\w+)*")


def parse_words(content: str) -> list[tuple[str, str]]:
    """``(text, value)`` of every line of a word list; empty lines and lines that begin with ``#`` are passed over.

    Raises:
        ValueError: a line says nothing but punctuation.
    """
    entries: list[tuple[str, str]] = []
    for number, line in enumerate(content.removeprefix("\ufeff").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not fold(text):
            raise ValueError(f"line {number}: says nothing")
        entries.append((text, text))
    return entries


def index_words(entries: Iterable[tuple[str, str]]) -> dict[str, tuple[int, ...]]:
    """First word (folded) to the numbers of words that entries beginning with it have, most first."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for text, _ in entries:
        words = _WORD.findall(text)
        if words:
            lengths[fold(words[0])].add(len(words))
    return {word: tuple(sorted(found, reverse=True)) for word, found in lengths.items()}


@dataclass(frozen=True)
class WordsFinder:
    """Entries of a table anywhere in the region, as whole words; the longest entry at each place."""

    table: Table
    lengths: Mapping[str, tuple[int, ...]]
    keep_writing: bool
    scope: Scope

    @property
    def needs(self) -> tuple[Compiled, ...]:
        """What must match somewhere for anything to be found (``gateway.tiers.rules.finders.Selective``)."""
        return self.scope.needs

    def find(self, text: Text, budget: Budget) -> Iterator[Found]:
        """What is found, in the order of the text (``gateway.tiers.rules.finders.Finder``)."""
        return islice(self._all(text, budget), MAX_MATCHES)

    def _all(self, text: Text, budget: Budget) -> Iterator[Found]:
        region = self.scope.region(text, budget)
        if region is None:
            return
        words = _folded_words(text, region, budget)
        beginnings = [number for number, word in enumerate(words) if word in self.lengths]
        if not beginnings:
            return
        spans = [match.span() for match in _WORD.finditer(text.text, *region)]
        budget.left()
        free = 0  # the first word that is no part of an entry found
        for number in beginnings:
            if number < free:
                continue
            budget.left()
            start = spans[number][0]
            for length in self.lengths[words[number]]:
                if number + length > len(words):
                    continue
                span = start, spans[number + length - 1][1]
                value = self.table.exact(fold(text.text[slice(*span)]))
                if value is not None and self.scope.holds(text, text.line_at(start), span, budget):
                    yield Found(span, None if self.keep_writing else value)
                    free = number + length
                    break


def _folded_words(text: Text, region: Span, budget: Budget) -> Sequence[str]:
    """The words of a region as lookups compare them, remembered: several lookups look for words in the same text."""
    known = text.words.get(region)
    if known is None:
        read = text.text[slice(*region)]
        # A word has none of the marks that folding takes away.
        known = _WORD.findall(read.casefold()) if read.isascii() else [fold(word) for word in _WORD.findall(read)]
        text.words[region] = known
        budget.left()
    return known
