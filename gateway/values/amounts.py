"""Amounts with their currency, as running text writes them: ``$ 1.6 million``, ``USD 5``, ``20 billion francs``,
``thirteen dollars and forty-five cents``.

Amounts in figures without a multiplier are left to :mod:`gateway.values.money`, whose reading of marks is stricter.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from fractions import Fraction

import regex

from gateway.values.currencies import (
    CODE_SOURCE,
    OWNED_SUBUNIT_SOURCE,
    SUBUNIT_SOURCE,
    SYMBOL_SOURCE,
    TENTHS,
    UNIT_SOURCE,
)
from gateway.values.numbers import (
    FIGURES_SOURCE,
    FRACTION_SOURCE,
    MULTIPLIER_SOURCE,
    SIGN_SOURCE,
    SIGN_WORD_SOURCE,
    UNSIGNED_SOURCE,
    format_number,
    read_number,
)
from gateway.values.types import DecimalMark
from gateway.values.words import AFTER_SCALE_SOURCE, SMALL_SOURCE

# No amount begins with its decimal mark: what stands before it is more often a leader (RM....50).
_SCALED = (
    rf"(?:{FRACTION_SOURCE}|(?:(?!\.)|(?<=[$£€¥]\s?)){FIGURES_SOURCE}(?:{MULTIPLIER_SOURCE}{{1,3}}+(?:{AFTER_SCALE_SOURCE})?)?)"
    r"(?![\w%]|[.,]\d|\s?%)"
)
#: Multipliers of amounts alone: $5T, $5 grand.
_SLANG = r"(?:(?-i:T)|\s{1,3}grand(?!\stotal))(?!\w)"
_CENTS = rf"(?:\d{{1,2}}|{SMALL_SOURCE})"
_GAP = r"(?:\s{0,3}|\s?-\s?)"
# Cents without their name, at the end of what is said: three dollars fifty; $100 and fifty.
_UNNAMED = rf"(?:\s{{1,3}}and)?\s{{1,3}}{SMALL_SOURCE}"
# An amount goes on to its cents: and fifty cents, 50 cents.
_JOINED = r"(?:,?\s{1,3}and)?,?\s{1,3}"
_SAID_LAST = r"(?!\s(?!and\b)\w|-)"
_SIGN = rf"(?:{SIGN_SOURCE}|\b(?=[mn]){SIGN_WORD_SOURCE})?"
#: A number with a currency before or behind it.
CURRENCY_AMOUNT_SOURCE = (
    rf"(?<!\w){_SIGN}(?<!\w)"
    rf"(?:(?:{SYMBOL_SOURCE}|{CODE_SOURCE}(?:\s?\$)?)\s{{0,3}}[-\u2212\u2013]?(?:{FIGURES_SOURCE}{_SLANG}|{_SCALED})"
    rf"(?:\s?{CODE_SOURCE}|\s{{1,3}}and\s{{1,3}}{SMALL_SOURCE}{_SAID_LAST})?"
    rf"|(?>{UNSIGNED_SOURCE}){_GAP}(?:{UNIT_SOURCE}(?:{_JOINED}{_CENTS}\s{{1,3}}{SUBUNIT_SOURCE}"
    rf"|{_UNNAMED}{_SAID_LAST})?|{OWNED_SUBUNIT_SOURCE}|{CODE_SOURCE}|{SYMBOL_SOURCE}(?!\s?\d)))"
)
_READ_SOURCE = (
    rf"(?P<sign>[-+\u2212\u2013]\s?|(?:minus|negative)\s{{1,3}})?(?:(?:{SYMBOL_SOURCE}|{CODE_SOURCE}(?:\s?\$)?)\s{{0,3}}"
    rf"(?P<inner>[-\u2212\u2013])?(?:(?P<figures>{FIGURES_SOURCE})(?P<slang>{_SLANG})|(?P<figures>{_SCALED}))(?:\s?{CODE_SOURCE}|\s{{1,3}}and\s{{1,3}}(?P<cents>{SMALL_SOURCE}))?"
    rf"|(?P<number>{UNSIGNED_SOURCE}){_GAP}(?:{UNIT_SOURCE}"
    rf"(?:{_JOINED}(?P<more>{_CENTS})\s{{1,3}}(?P<of>{SUBUNIT_SOURCE})|(?:\s{{1,3}}and)?\s{{1,3}}(?P<cents>{SMALL_SOURCE}))?"
    rf"|(?P<subunit>{OWNED_SUBUNIT_SOURCE})|{CODE_SOURCE}|{SYMBOL_SOURCE}))"
)
_LETTER = regex.compile(r"[^\W\d_]")


@functools.cache
def _reader() -> regex.Pattern[str]:
    return regex.compile(_READ_SOURCE, regex.IGNORECASE)


def read_amount(text: str, decimal: DecimalMark = ".") -> Decimal | None:
    """The amount that ``text`` as a whole is, or ``None``; its currency is ignored, and brackets make it negative."""
    text = text.strip()
    if not (text.startswith("(") and text.endswith(")")):
        return _read(text, decimal)
    loss = _read(text[1:-1].strip(), decimal)
    return loss.copy_negate() if loss is not None and loss > 0 else None


def _read(text: str, decimal: DecimalMark) -> Decimal | None:
    match = _reader().fullmatch(text)
    if match is None:
        # A number alone that is in words or has a multiplier; figures alone are read elsewhere.
        number = read_number(text, decimal) if _LETTER.search(text) else None
        return None if number is None else Decimal(format_number(number))
    group = match.groupdict()
    amount = read_number(group["figures"] or group["number"], decimal)
    if amount is None:
        return None
    if group["slang"]:
        amount *= 10**12 if group["slang"] == "T" else 1000
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
    return Fraction(1, 10 if subunit.casefold().split()[-1] in TENTHS else 100)
