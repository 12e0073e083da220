"""A number and its unit: length, area, volume, mass, time, speed, information, temperature and others."""

from __future__ import annotations

import functools
from fractions import Fraction

import regex

from gateway.values.numbers import MEASURED_SOURCE, SIGN_SOURCE, SIGN_WORD_SOURCE, read_number, write_number
from gateway.values.sources import either
from gateway.values.types import LONGEST, DecimalMark
from gateway.values.units import UNITS, unit_called

#: Symbols that are also words, multipliers or decades (5K, 5B, 1980s): behind a space only.
_APART = ("A", "B", "J", "K", "N", "h", "s")
_LETTERS = [name for name in UNITS if len(name) == 1 and name not in _APART]
# Patterns are matched without regard to letter case.
_NAMES = {name.casefold() for name in UNITS if len(name) > 1 and name != "in"}


# Single letters in their own case: 5M are five million. "In" is a unit where nothing follows it.
_UNIT = rf"(?:{either(_NAMES)}|(?-i:[{''.join(_LETTERS)}]|(?<=\s)[{''.join(_APART)}])|in(?=[\s.,;)]*$|\.))"
_GAP = r"(?:\s{0,3}|\s?-\s?)"
_SIGN = rf"(?:{SIGN_SOURCE}|(?=[mn]){SIGN_WORD_SOURCE})?"
DIMENSION_SOURCE = (
    rf"(?<!\w){_SIGN}(?>{MEASURED_SOURCE}){_GAP}(?:(?<=\d\s{{0,3}})[(\[](?!\d))?{_UNIT}(?![\w/\^\u00b2\u00b3])"
    # The bracket behind the unit belongs to it where one stands between number and unit: 20 (kg).
    r"(?:(?<=\d\s{0,3}\((?!\d)[^()]{1,30})\)|(?<=\d\s{0,3}\[(?!\d)[^\[\]]{1,30})\])?"
)


@functools.cache
def _reader() -> regex.Pattern[str]:
    # What canonical forms have for a unit (m2, A.s, bit/s) is read as well.
    return regex.compile(
        rf"(?P<sign>{_SIGN})(?P<number>{MEASURED_SOURCE}){_GAP}[(\[]?(?P<unit>{_UNIT}|[A-Za-z0-9./]+)[)\]]?",
        regex.IGNORECASE,
    )


#: Digits kept of a conversion that has no end (km/h in m/s).
_SIGNIFICANT = 12


def parse_dimension(text: str, decimal: DecimalMark = ".") -> str | None:
    """A quantity in the base unit of what it measures: ``5 km`` and ``5000 m`` are both ``5000 m``.

    ``None`` for what is no quantity or longer than 200 characters.
    """
    match = _reader().fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None:
        return None
    number, unit = read_number(match["number"], decimal), unit_called(match["unit"])
    if number is None or unit is None:
        return None
    if match["sign"].strip() not in ("", "+"):
        number = -number
    return f"{write_number(_rounded(number * unit.factor + unit.offset), decimal)} {unit.base}"


def _rounded(value: Fraction) -> Fraction:
    below = value.denominator
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    return value if below == 1 else Fraction(f"{float(value):.{_SIGNIFICANT}g}")
