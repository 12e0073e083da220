"""Which value type a field seems to have, by how its values read, and how they are written."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import regex

from gateway.values import PATTERNS, DecimalMark, ValueOptions, ValueType, canonical

#: A type is suggested where at least this share of the different values are one, and of so many.
LEAST_SHARE = 0.95
LEAST_VALUES = 5
#: Stricter types first: what is an IBAN is also a text with digits.
_ORDER: tuple[ValueType, ...] = (
    "iban", "card", "guid", "email", "url", "ip", "percent", "date", "time", "dimension", "money", "tax-id", "number",
    "phone",
)  # fmt: skip
#: Several patterns of one type: also dates in words and amounts with a currency behind them.
_WIDER = {"date": ("date", "full-date"), "money": ("money", "currency-amount")}
_CURRENCY = regex.compile(
    r"[\p{Sc}]|\b(?:RM|MYR|USD|EUR|GBP|SGD|IDR|RP|CHF|JPY|dollars?|euros?|pounds?)(?![a-z])", regex.I
)
_CENTS = regex.compile(r"[.,]\d\d\b")
_LEADING_ZERO = regex.compile(r"0\d+")
_DAY_MONTH = regex.compile(r"(?<!\d)(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(?:\d{4}|\d{2})(?!\d)")
_COMMA_DECIMAL = regex.compile(r"(?<!\d)\d{1,3}(?:\.\d{3})+,\d{1,2}(?!\d)|(?<![\d.])\d+,\d\d?(?![\d,])")
_POINT_DECIMAL = regex.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+\.\d{1,2}(?!\d)|(?<![\d,])\d+\.\d\d?(?![\d.])")


@functools.cache
def _whole(name: str) -> regex.Pattern[str]:
    return regex.compile(rf"\s*(?:{PATTERNS[name]})\s*", regex.IGNORECASE | regex.MULTILINE)


def is_value(kind: ValueType, text: str, options: ValueOptions) -> bool:
    """Whether all of ``text`` is a value of ``kind``. Reading alone is lenient: it takes a value out of a sentence."""
    if kind == "text":
        return bool(text.strip())
    if len(text) > 200 or canonical(kind, text, options=options) is None:
        return False
    return any(_whole(name).fullmatch(text) for name in _WIDER.get(kind, (kind,)))


@dataclass(frozen=True)
class TypeEvidence:
    """What speaks for a field's type: how many of its different values are of it, and some that are not."""

    type: ValueType
    values: int
    reading: int
    exceptions: tuple[str, ...] = ()
    #: The type that most values have, and how many, where that is not enough to suggest it.
    nearly: tuple[ValueType, int] | None = None

    @property
    def share(self) -> float:
        return self.reading / self.values if self.values else 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "values": self.values,
            "of_this_type": self.reading,
            "exceptions": list(self.exceptions),
            "nearly": list(self.nearly) if self.nearly else None,
        }


def suggest_type(values: Iterable[str], options: ValueOptions | None = None) -> TypeEvidence:
    """The strictest type that nearly all of the different values have; ``text`` where none does.

    Amounts need a currency or cents, so that years and counts are numbers; figures with leading zeros are texts,
    because a number would lose them; telephone numbers need seven digits.
    """
    options = options or ValueOptions()
    different = sorted(set(values))
    if len(different) < LEAST_VALUES:
        return TypeEvidence("text", len(different), len(different))
    best: tuple[int, ValueType] = (0, "text")
    for kind in _ORDER:
        reading = [value for value in different if is_value(kind, value, options)]
        if not _plausible(kind, reading):
            continue
        if len(reading) >= LEAST_SHARE * len(different):
            rest = tuple(value for value in different if not is_value(kind, value, options))
            return TypeEvidence(kind, len(different), len(reading), rest[:5])
        best = max(best, (len(reading), kind), key=lambda item: item[0])
    reading_best, kind_best = best
    if 2 * reading_best <= len(different):
        return TypeEvidence("text", len(different), len(different))
    exceptions = [value for value in different if not is_value(kind_best, value, options)]
    nearly = kind_best, reading_best
    return TypeEvidence("text", len(different), len(different), tuple(exceptions[:5]), nearly)


def _plausible(kind: ValueType, values: Sequence[str]) -> bool:
    if not values:
        return False
    if kind == "money":
        return 2 * sum(bool(_CURRENCY.search(value) or _CENTS.search(value)) for value in values) > len(values)
    if kind == "number":
        return not any(_LEADING_ZERO.fullmatch(value.strip()) for value in values)
    if kind in ("phone", "tax-id"):
        return all(sum(map(str.isdigit, value)) >= 7 for value in values)
    return True


@dataclass
class Writing:
    """How values are written: what speaks for either order of day and month, either decimal mark, and countries."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0
    points: int = 0
    commas: int = 0
    regions: Counter[str] = field(default_factory=Counter)

    def add(self, kind: ValueType, value: str) -> None:
        """Count what one value of a field of ``kind`` shows."""
        if kind == "date":
            for match in _DAY_MONTH.finditer(value):
                first, second = int(match[1]), int(match[3])
                self.day_first += first > 12 >= second
                self.month_first += second > 12 >= first
                self.either += first <= 12 and second <= 12 and first != second
        elif kind in ("money", "number", "percent", "dimension"):
            self.points += bool(_POINT_DECIMAL.search(value))
            self.commas += bool(_COMMA_DECIMAL.search(value))
        elif kind == "phone" and value.strip().startswith("+") and (region := _region_of(value)):
            self.regions[region] += 1

    @property
    def options(self) -> ValueOptions:
        """The options that most values speak for; the defaults where none does."""
        mark: DecimalMark = "," if self.commas > self.points else "."
        return ValueOptions(self.month_first <= self.day_first, self.region, mark)

    @property
    def region(self) -> str | None:
        """The country of the telephone numbers that name one, where all name the same."""
        return next(iter(self.regions)) if len(self.regions) == 1 else None


def _region_of(value: str) -> str | None:
    import phonenumbers

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(value, None))
    except phonenumbers.NumberParseException:
        return None
