"""Amounts with their currency, as running text writes them: ``$ 1.6 million``, ``USD 5``, ``20 billion francs``,
``thirteen dollars and forty-five cents``.

Amounts in figures without a multiplier are left to :mod:`gateway.values.money`, whose reading of marks is stricter.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from fractions import Fraction

import regex

from gateway.values.currencies import CODE_SOURCE, SUBUNIT_SOURCE, SYMBOL_SOURCE, TENTHS, UNIT_SOURCE
from gateway.values.numbers import (
    FIGURES_SOURCE,
    MULTIPLIER_SOURCE,
    SIGN_SOURCE,
    UNSIGNED_SOURCE,
    format_number,
    read_number,
)
from gateway.values.types import DecimalMark
from gateway.values.words import AFTER_SCALE_SOURCE, SMALL_SOURCE

# No amount begins with its decimal mark: what stands before it is more often a leader (RM....50).
_SCALED = rf"(?!\.){FIGURES_SOURCE}(?:{MULTIPLIER_SOURCE}{{1,3}}+(?:{AFTER_SCALE_SOURCE})?)?(?![\w%]|[.,]\d|\s?%)"
_CENTS = rf"(?:\d{{1,2}}|{SMALL_SOURCE})"
_GAP = r"(?:\s{0,3}|-)"
#: A number with a currency before or behind it.
CURRENCY_AMOUNT_SOURCE = (
    rf"(?<!\w){SIGN_SOURCE}?(?<!\w)"
    rf"(?:(?:{SYMBOL_SOURCE}|{CODE_SOURCE}(?:\s?\$)?)\s{{0,3}}[-\u2212]?{_SCALED}(?:\s?{CODE_SOURCE})?"
    rf"|(?>{UNSIGNED_SOURCE}){_GAP}(?:{UNIT_SOURCE}(?:(?:\s{{1,3}}and)?\s{{1,3}}{_CENTS}\s{{1,3}}{SUBUNIT_SOURCE}"
    rf"|\s{{1,3}}{SMALL_SOURCE}(?!\s\w))?|{SUBUNIT_SOURCE}|{CODE_SOURCE}|{SYMBOL_SOURCE}(?!\s?\d)))"
)
_READ_SOURCE = (
    rf"(?P<sign>[-+\u2212]\s?)?(?:(?:{SYMBOL_SOURCE}|{CODE_SOURCE}(?:\s?\$)?)\s{{0,3}}(?P<inner>[-\u2212])?"
    rf"(?P<figures>{_SCALED})(?:\s?{CODE_SOURCE})?|(?P<number>{UNSIGNED_SOURCE}){_GAP}(?:{UNIT_SOURCE}"
    rf"(?:(?:\s{{1,3}}and)?\s{{1,3}}(?P<more>{_CENTS})\s{{1,3}}(?P<of>{SUBUNIT_SOURCE})|\s{{1,3}}(?P<cents>{SMALL_SOURCE}))?"
    rf"|(?P<subunit>{SUBUNIT_SOURCE})|{CODE_SOURCE}|{SYMBOL_SOURCE}))"
)


@functools.cache
def _reader() -> regex.Pattern[str]:
    return regex.compile(_READ_SOURCE, regex.IGNORECASE)


def read_amount(text: str, decimal: DecimalMark = ".") -> Decimal | None:
    """The amount that ``text`` as a whole is, or ``None``; its currency is ignored."""
    match = _reader().fullmatch(text.strip())
    if match is None:
        return None
    group = match.groupdict()
    amount = read_number(group["figures"] or group["number"], decimal)
    if amount is None:
        return None
    if group["subunit"]:
        amount *= _share(group["subunit"])
    if group["cents"] or group["more"]:
        more = read_number(group["cents"] or group["more"])
        if more is None:
            return None
        amount += more * _share(group["of"] or "cents")
    negative = (group["sign"] or group["inner"] or "+")[0] != "+"
    return Decimal(format_number(-amount if negative else amount))


def _share(subunit: str) -> Fraction:
    return Fraction(1, 10 if subunit.casefold() in TENTHS else 100)
