"""A lookup's entries: found by equal folded text, or by likeness for texts that were misread."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz, process

from gateway.values import fold_text

_GRAM = 4
#: A gram that stands in more entries than this says little about which entry it is.
_COMMON_GRAM = 24
#: Share of an entry's indexed grams that must stand in the text before the entry is compared with it.
_LEAST_SHARED = 0.2
#: How many grams are looked at between two looks at the clock.
_CHECK_EVERY = 64
#: How many entries a text is compared with between two looks at the clock: some 50 microseconds.
_COMPARED_AT_ONCE = 256
_IGNORED = str.maketrans("", "", ",. \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f")


def fold(text: str) -> str:
    """:func:`gateway.values.fold_text`, quick for ASCII."""
    return text.casefold().translate(_IGNORED) if text.isascii() else fold_text(text)


def digits_of(text: str) -> str:
    """The digits of a text, in order."""
    return "".join(filter(str.isdigit, text))


def parse_entries(content: str) -> list[tuple[str, str]]:
    """``(text, value)`` of every row of a lookup's CSV.

    Raises:
        ValueError: there is no column ``text``, a row has none, or two rows give one text different values.
    """
    reader = csv.DictReader(io.StringIO(content), strict=True)
    if "text" not in (reader.fieldnames or ()):
        raise ValueError("the first line must name a column 'text'")
    seen: dict[str, str] = {}
    entries: list[tuple[str, str]] = []
    try:
        for row in reader:
            text = row["text"] or ""
            value = row.get("value") or text
            key = fold(text)
            if not key:
                raise ValueError(f"line {reader.line_num}: text is empty")
            if seen.setdefault(key, value) != value:
                raise ValueError(f"line {reader.line_num}: {text!r} has a second value")
            entries.append((text, value))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    return entries


class Entry(NamedTuple):
    """One entry: its folded text, its value, and the digits of its text."""

    key: str
    value: str
    digits: str


class Table:
    """Entries of one lookup file.

    Likeness is not computed against every entry: an index of four-character grams names the few entries that share
    enough of them with the text, so that time hardly grows with the number of entries.
    """

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        self._values = {fold(text): value for text, value in entries}
        self._entries = [Entry(key, value, digits_of(key)) for key, value in self._values.items()]
        listing = "\n".join(f"{key}\t{value}" for key, value in sorted(self._values.items()))
        self.digest = hashlib.sha256(listing.encode("utf-8", "surrogatepass")).hexdigest()
        self._beginnings = {key[:_GRAM] for key in self._values}
        holders: dict[str, set[int]] = defaultdict(set)
        for number, key in enumerate(self._values):
            for gram in _grams(key):
                holders[gram].add(number)
        self._holders: dict[str, list[int]] = defaultdict(list)
        self._wanted: list[int] = []
        for number, key in enumerate(self._values):
            grams = sorted(set(_grams(key)), key=lambda gram: (len(holders[gram]), gram))
            kept = [gram for gram in grams if len(holders[gram]) <= _COMMON_GRAM] or grams[:4]
            for gram in kept:
                self._holders[gram].append(number)
            self._wanted.append(max(1, round(_LEAST_SHARED * len(kept))))

    def __len__(self) -> int:
        return len(self._entries)

    def may_begin(self, folded: str) -> bool:
        """Whether an entry may begin with ``folded``, judged by its first characters."""
        return len(folded) < _GRAM or folded[:_GRAM] in self._beginnings

    def exact(self, folded: str) -> str | None:
        """The value of the entry equal to ``folded``."""
        return self._values.get(folded)

    def likely(self, folded: str, check: Callable[[], object] = lambda: None) -> list[Entry]:
        """Entries that may stand in ``folded``, misread or not; never one that shares nothing with it.

        ``check`` is called every now and then: it raises when the time is up.
        """
        hits: Counter[int] = Counter()
        for number, gram in enumerate(_grams(folded)):
            if gram in self._holders:
                hits.update(self._holders[gram])
            if number % _CHECK_EVERY == 0:
                check()
        return [self._entries[number] for number, count in sorted(hits.items()) if count >= self._wanted[number]]


def _grams(folded: str) -> set[str]:
    return {folded[start : start + _GRAM] for start in range(len(folded) - _GRAM + 1)}


def best_like(
    entries: Sequence[Entry],
    folded: str,
    least: float,
    *,
    same_digits: bool,
    check: Callable[[], object] = lambda: None,
) -> tuple[float, str] | None:
    """What :meth:`Alike.best` finds among ``entries``."""
    return Alike(entries, same_digits=same_digits).best(folded, least, check)


class Alike:
    """Entries that many texts are compared with, by their length: only lengths near a text's own can be like it.

    Args:
        entries: what to compare with.
        same_digits: whether an entry must have a text's digits to be like it.
    """

    def __init__(self, entries: Sequence[Entry], *, same_digits: bool) -> None:
        self._entries = entries
        self._same_digits = same_digits
        #: Digits (nothing where they do not matter), and length, to the numbers and keys of such entries, in order.
        self._groups: dict[str, dict[int, tuple[list[int], list[str]]]] = defaultdict(dict)
        for number, (key, _, digits) in enumerate(entries):
            lengths = self._groups[digits if same_digits else ""]
            numbers, keys = lengths.setdefault(len(key), ([], []))
            numbers.append(number)
            keys.append(key)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def best(self, folded: str, least: float, check: Callable[[], object] = lambda: None) -> tuple[float, str] | None:
        """Likeness and value of the entry most like ``folded``, the first of equals; ``None`` when all are below
        ``least``.

        Likeness is ``100 · 2·common / (len(left) + len(right))`` over the longest common subsequence. ``check`` is
        called every now and then: it raises when the time is up.
        """
        groups = self._groups.get(digits_of(folded) if self._same_digits else "", {})
        own = len(folded)
        best: tuple[float, int] | None = None
        for length, (numbers, keys) in groups.items():
            # No common subsequence is longer than the shorter text.
            if 200 * min(length, own) < least * (length + own):
                continue
            for start in range(0, len(keys), _COMPARED_AT_ONCE):
                check()
                found = process.extractOne(
                    folded, keys[start : start + _COMPARED_AT_ONCE], scorer=fuzz.ratio, score_cutoff=least
                )
                if found is None or not found[1]:
                    continue
                score, number = found[1], numbers[start + found[2]]
                if best is None or score > best[0] or number < best[1]:
                    best, least = (score, number), score
        return None if best is None else (best[0], self._entries[best[1]].value)
