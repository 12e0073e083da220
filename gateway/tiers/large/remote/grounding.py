"""Where in the text a value stands that a model says it read there.

The strictest way that finds it counts: *exact*, character by character; *value*, equal as a date, an amount or the
like; *folded*, equal but for letter case, commas, full stops and white space; *fuzzy*, a stretch of whole words that is
nearly the same and has the same digits, for text alone. A value that none of them finds is not in the text: the model
changed it, inferred it or made it up.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import regex
from rapidfuzz import fuzz

from gateway.document import Span
from gateway.values import DEFAULT_OPTIONS, PATTERNS, ValueOptions, ValueType, canonical

#: Goes into the tier's version: count it up whenever another span or another way may be found.
GROUNDING_VERSION = 1

How = Literal["exact", "value", "folded", "fuzzy", "ungrounded"]
#: Shorter values are like too much of any text.
_SHORTEST_FUZZY = 6


@dataclass(frozen=True)
class Grounding:
    """Where a value stands (``None``: nowhere), how it was found, and how alike it is (0 to 1, 1 but for *fuzzy*)."""

    span: Span | None
    how: How
    similarity: float = 1.0


UNGROUNDED = Grounding(None, "ungrounded", 0.0)


class GroundedText:
    """A text prepared for finding values; what is computed for one value serves the next.

    Args:
        kept: the ranges of the text that the model was shown; a value is found inside one of them only.
        least_similarity: of a *fuzzy* finding, 0 to 100.
    """

    def __init__(
        self,
        text: str,
        kept: Sequence[Span] | None = None,
        *,
        options: ValueOptions = DEFAULT_OPTIONS,
        least_similarity: float = 90.0,
    ) -> None:
        self.text = text
        self._kept = tuple(kept) if kept is not None else ((0, len(text)),)
        self._options = options
        self._least = least_similarity
        self._folded: tuple[str, list[int]] | None = None
        self._read: dict[ValueType, list[tuple[Span, str | None]]] = {}

    def find(self, value: str, kind: ValueType) -> Grounding:
        """Ground one value; the span is never blank and has no white space at its ends."""
        value = value.strip()
        if not value:
            return UNGROUNDED
        if kind != "text":
            return self._find_typed(value, kind)
        exact = self._first(self._exact(value))
        if exact is not None:
            return Grounding(exact, "exact")
        folded = self._first(self._find_folded(value))
        return Grounding(folded, "folded") if folded is not None else self._fuzzy(value)

    def _find_typed(self, value: str, kind: ValueType) -> Grounding:
        wanted = canonical(kind, value, options=self._options)
        if wanted is None:
            # No such value, a misread one perhaps: it has to stand there as it is.
            whole = [span for span in self._exact(value) if not self._cuts(span)]
            found = self._first(iter(whole)) or self._first(self._find_folded(value))
            return Grounding(found, "exact" if whole else "folded") if found else UNGROUNDED
        spans = [span for span, found in self._readings(kind) if found == wanted]
        same = self._first(span for span in spans if self.text[slice(*span)] == value)
        if same is not None:
            return Grounding(same, "exact")
        equal = self._first(iter(spans))
        # A date or amount one character off is another one: nothing weaker will do.
        return Grounding(equal, "value") if equal is not None else UNGROUNDED

    def _readings(self, kind: ValueType) -> list[tuple[Span, str | None]]:
        """Everything in the text that looks like ``kind``, with its canonical form."""
        if kind not in self._read:
            self._read[kind] = [
                (match.span(), canonical(kind, match[0], options=self._options))
                for match in _pattern(kind).finditer(self.text)
            ]
        return self._read[kind]

    def _first(self, spans: Iterator[Span]) -> Span | None:
        """The first span that stands alone; else the first one."""
        fallback: Span | None = None
        for start, end in spans:
            if not any(low <= start and end <= high for low, high in self._kept):
                continue
            if not self._cuts((start, end)):
                return start, end
            fallback = fallback or (start, end)
        return fallback

    def _cuts(self, span: Span) -> bool:
        """Whether a span begins or ends inside a word or number."""
        start, end = span
        text = self.text
        return _joined(text, start) or _joined(text, end)

    def _exact(self, value: str) -> Iterator[Span]:
        position = self.text.find(value)
        while position >= 0:
            yield position, position + len(value)
            position = self.text.find(value, position + 1)

    def _find_folded(self, value: str) -> Iterator[Span]:
        wanted, _ = _fold(value)
        if not wanted:
            return
        if self._folded is None:
            self._folded = _fold(self.text)
        folded, offsets = self._folded
        position = folded.find(wanted)
        while position >= 0:
            last = position + len(wanted) - 1
            # A finding may not begin or end inside what one character folds to.
            whole = position == 0 or offsets[position - 1] != offsets[position]
            whole = whole and (last + 1 == len(offsets) or offsets[last + 1] != offsets[last])
            if whole:
                span = offsets[position], offsets[last] + 1
                # In a short value a piece of another word is more likely than the value.
                if len(wanted) > 3 or not self._cuts(span):
                    yield span
            position = folded.find(wanted, position + 1)

    def _fuzzy(self, value: str) -> Grounding:
        if len(value) < _SHORTEST_FUZZY:
            return UNGROUNDED
        wanted = _flat(value)
        best = UNGROUNDED
        for low, high in self._kept:
            shown = self.text[low:high]
            if len(shown) < len(value):
                continue
            alignment = fuzz.partial_ratio_alignment(wanted, _flat(shown), score_cutoff=self._least)
            if alignment is None:
                continue
            start, end = _whole_words(shown, alignment.dest_start, alignment.dest_end)
            found = shown[start:end]
            alike = fuzz.ratio(wanted, _flat(found))
            if alike < self._least or _digits(found) != _digits(value) or alike / 100 <= best.similarity:
                continue
            best = Grounding((low + start, low + end), "fuzzy", alike / 100)
        return best


def _joined(text: str, position: int) -> bool:
    """Whether a word or number goes on across ``position``."""
    if not 0 < position < len(text):
        return False
    left, right = text[position - 1], text[position]
    if _wordy(left) and _wordy(right):
        return True
    # 9.00 inside 19.009.00 or 1,9.00: a mark between digits belongs to the number.
    if left in ".," and right.isdigit():
        return position >= 2 and text[position - 2].isdigit()
    if right in ".," and left.isdigit():
        return position + 1 < len(text) and text[position + 1].isdigit()
    return False


def _wordy(char: str) -> bool:
    return char.isalnum() or unicodedata.combining(char) != 0


@functools.cache
def _pattern(kind: ValueType) -> regex.Pattern[str]:
    return regex.compile(PATTERNS[kind], regex.IGNORECASE | regex.MULTILINE)


def _fold(text: str) -> tuple[str, list[int]]:
    """``text`` folded character by character as :func:`gateway.values.fold_text` folds, with the offset each kept
    character came from."""
    kept: list[str] = []
    offsets: list[int] = []
    for index, char in enumerate(text):
        folded = char.casefold() if char.isascii() else unicodedata.normalize("NFKC", char).casefold()
        for piece in folded:
            if piece not in ",." and not piece.isspace():
                kept.append(piece)
                offsets.append(index)
    return "".join(kept), offsets


def _flat(text: str) -> str:
    """One character for one character: offsets stay what they are."""
    return "".join(map(_flat_character, text))


def _flat_character(char: str) -> str:
    folded = " " if char.isspace() else char.casefold()
    return folded if len(folded) == 1 else char


def _whole_words(text: str, start: int, end: int) -> Span:
    """A range stretched to whole words, without white space at its ends."""
    start = _step(start, -1, lambda at: at > 0 and not text[at - 1].isspace() and not text[at : at + 1].isspace())
    end = _step(end, 1, lambda at: at < len(text) and not text[at].isspace() and not text[at - 1].isspace())
    start = _step(start, 1, lambda at: at < end and text[at].isspace())
    end = _step(end, -1, lambda at: at > start and text[at - 1].isspace())
    return start, end


def _step(position: int, by: int, go_on: Callable[[int], bool]) -> int:
    while go_on(position):
        position += by
    return position


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())
