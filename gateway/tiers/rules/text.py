"""A document's text as rules see it: bounded, and with its lines."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal

import regex

from gateway.document import Span
from gateway.tiers.rules.schema import Lines
from gateway.tiers.rules.table import fold

#: Rules read this much of a text. Receipts have 1,000 characters and long contracts 300,000, whose leading part is
#: what rules are written for; with the cap, time and memory are bounded whatever is sent. A rule's "last lines" are
#: the last within the cap.
MAX_SCANNED_CHARS = 100_000


_UNREADABLE = regex.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
_LINE_BREAKS = "\r\x0b\x0c\x85\u2028\u2029"
_REPLACED = str.maketrans(
    dict.fromkeys(map(chr, (*range(9), *range(14, 32), 127)), " ") | dict.fromkeys(_LINE_BREAKS, "\n")
)


class Text:
    """The scanned part of a text and where its lines begin and end (code points; line breaks are outside the lines)."""

    __slots__ = ("_folded", "amounts", "ends", "length", "places", "starts", "text", "verbatim", "words")

    def __init__(self, text: str) -> None:
        #: Characters of the whole text, of which those beyond the cap are not read.
        self.length = len(text)
        #: What candidates quote.
        self.verbatim = text[:MAX_SCANNED_CHARS]
        #: What rules read, character for character: other line breaks are line feeds and control characters spaces.
        self.text = _readable(self.verbatim)
        self._folded: dict[Span, str] = {}
        #: Amounts read so far, by pattern and region: several rules weigh the same amounts.
        self.amounts: dict[tuple[regex.Pattern[str], Span], list[tuple[Span, Decimal]]] = {}
        #: Words read so far, folded, by region: several lookups look for words in the same text.
        self.words: dict[Span, Sequence[str]] = {}
        #: Patterns of which it is known where in the text their matches can begin, with all those places in order.
        self.places: Mapping[regex.Pattern[str], Sequence[int]] = {}
        self.starts: list[int] = []
        self.ends: list[int] = []
        position = 0
        for line in self.text.split("\n"):
            self.starts.append(position)
            position += len(line)
            self.ends.append(position)
            position += 1
        if "\r\n" in self.verbatim:
            self.ends = [end - (self.verbatim[end - 1 : end] == "\r") for end in self.ends]

    def line_at(self, offset: int) -> int:
        """The number of the line that ``offset`` stands in."""
        return bisect_right(self.starts, offset) - 1

    def line(self, number: int) -> str:
        """One line's text; ``""`` outside the document."""
        return self.text[self.starts[number] : self.ends[number]] if 0 <= number < len(self.starts) else ""

    def folded(self, start: int, end: int) -> str:
        """A stretch of the text as lookups compare it, remembered: several lookups read the same lines."""
        known = self._folded.get((start, end))
        if known is None:
            known = self._folded[start, end] = fold(self.text[start:end])
        return known

    def range_of(self, lines: Lines | None) -> range:
        """The numbers of the lines that ``lines`` names."""
        count = len(self.starts)
        if lines is None:
            return range(count)
        if lines.first is not None:
            return range(min(lines.first, count))
        return range(max(0, count - (lines.last or 0)), count)

    def region(self, lines: Lines | None) -> tuple[int, int]:
        """Where the lines that ``lines`` names begin and end in the text."""
        numbers = self.range_of(lines)
        return self.starts[numbers[0]], self.ends[numbers[-1]]


def _readable(text: str) -> str:
    # Most texts are printable but for line feeds, which is told in a third of the search's time.
    if text.replace("\n", " ").isprintable() or not _UNREADABLE.search(text):
        return text
    return text.replace("\r\n", " \n").translate(_REPLACED)
