"""Amounts of money in figures: their written forms, and the amount each stands for.

A text that is an amount and nothing else is read by one strict grammar. In a text that says more, its only amount is
taken; where figures are left over that could be part of it or of another amount, none is.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from fractions import Fraction

import regex

from gateway.values.currencies import CODE_SOURCE, SYMBOL_SOURCE, UNIT_SOURCE
from gateway.values.leftovers import UNREAD_SCALE_SOURCE, contradicted, leaves_numbers
from gateway.values.numbers import MULTIPLIER_SOURCE, read_figures
from gateway.values.types import LONGEST, DecimalMark

_MINUS = "-\u2212"
#: A dash in front of an amount is a minus too; one with a space behind it, in a text that says more, parts two clauses.
_DASH = "\u2013"
#: What groups digits beside a comma and a full stop. No typist leaves the last six by chance.
_GROUPING = " \u00a0\u2007\u2009\u202f'\u2019"

# An amount in running text: optional currency, digits with one kind of thousands mark, optional decimals. Its groups
# are sign, currency, inner (a sign behind the currency) and digits.
MONEY_PATTERN = regex.compile(
    rf"""(?<![\w.,])(?P<sign>[{_MINUS}]\s?)?(?P<currency>RM|MYR|USD|EUR|GBP|SGD|IDR|RP|[$€£])?\s?(?P<inner>[{_MINUS}]\s?)?
        (?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d{{1,2}})?|\d{{1,3}}(?:\.\d{{3}})+(?:,\d{{1,2}})?
        |\d{{1,2}}(?:,\d\d)+,\d{{3}}(?:\.\d{{1,2}})?|\d{{1,3}}(?:[{_GROUPING[1:]}]\d{{3}})+(?:[.,]\d{{1,2}})?
        |\d+(?:[.,]\d{{1,2}})?)(?![\d])""",
    regex.IGNORECASE | regex.VERBOSE,
)


def _figures(space: str) -> str:
    """Thousands in threes by one mark, or in the Indian way; a nought in front makes no group of thousands."""
    return (
        r"(?:[1-9]\d{0,2}(?:(?:,\d{3})++(?!\d)(?:\.\d+)?|(?:\.\d{3})++(?!\d)(?:,\d+)?"
        rf"|(?P<{space}>[{_GROUPING}])\d{{3}}(?:(?P={space})\d{{3}})*+(?!\d)(?:[.,]\d+)?)"
        r"|[1-9]\d?(?:,\d\d)+,\d{3}(?!\d)(?:\.\d+)?"
        r"|(?!0\d{1,2}[.,]\d{3}(?!\d))\d++(?:[.,]\d+)?|(?<![^\W_])[.,]\d\d?(?!\d))"
    )


# Letters that stand for a currency may have a full stop of their own: Rs.50 are fifty.
_CURRENCY = rf"(?:(?:Rs|Rp|kr)\.|{SYMBOL_SOURCE}|{CODE_SOURCE}(?:\s?\$)?|(?:RM|MYR|SGD|IDR)(?![^\W\d_]))"
_BEFORE = rf"(?:{_CURRENCY}\s{{0,3}})?"
_BEHIND = rf"(?:\s{{0,3}}(?:{_CURRENCY}|{UNIT_SOURCE}))?"
# 500/-, 5.-, 5,-- and 5.– say that there are no cents.
_NO_CENTS = r"(?:/[-=]|[.,][-\u2013\u2014]{1,2})?"
_SIGN = rf"(?:[{_MINUS}+]\s?|{_DASH}(?!\s))"
_LEADING_SIGN = rf"[{_MINUS}+{_DASH}]\s?"
_LAST = rf"(?P<last>\s?[{_MINUS}](?!\w))"
_UNSIGNED = rf"{_BEFORE}(?P<inner>{_SIGN})?(?P<figures>{_figures('space')}){_NO_CENTS}(?P<after>\s?[{_MINUS}](?!\w))?"
_WHOLE_SOURCE = (
    rf"(?:(?P<sign>{_LEADING_SIGN})?{_UNSIGNED}{_BEHIND}{_LAST}?"
    rf"|{_BEFORE}\(\s?{_BEFORE}(?P<bracketed>{_figures('gap')}){_NO_CENTS}{_BEHIND}\s?\){_BEHIND})"
)
# A letter that scanners take for a nought may be one; what is multiplied is read in whole or not at all.
_PART_SOURCE = (
    rf"(?<![\w.,])(?P<sign>{_SIGN})?{_UNSIGNED}(?:{_BEHIND}{_LAST})?"
    rf"(?![\do]|{MULTIPLIER_SOURCE}|{UNREAD_SCALE_SOURCE}|(?-i:T)(?!\w)(?<=[$€£¥]\s?[\d.,]++T)|\s{{1,3}}grand(?!\w|\stotal))"
)
# Figures that are something else beside an amount: a share, a date, a time.
_OTHER = regex.compile(
    r"(?<!\d)\d++(?:[.,]\d++)?\s?%|(?<!\d)\d{1,4}([/-])\d{1,2}\1\d{1,4}(?!\d)|(?<!\d)\d\d?:\d\d(?::\d\d)?(?!\d)"
)


@functools.cache
def _whole() -> regex.Pattern[str]:
    return regex.compile(_WHOLE_SOURCE, regex.IGNORECASE)


@functools.cache
def _part() -> regex.Pattern[str]:
    return regex.compile(_PART_SOURCE, regex.IGNORECASE)


def parse_money(text: str, decimal: DecimalMark = ".") -> Decimal | None:
    """The amount in figures that ``text`` is, else the only one that stands in it; its currency is ignored.

    Brackets around the whole, and a minus in front or behind, make it negative. A mark with three digits behind and one
    to three in front could part thousands or decimals: ``decimal`` says which; everywhere else the writing does.
    ``None`` where figures or number words are left over that could belong to the amount or to another one, and for a
    text of more than 200 characters.
    """
    if len(text) > LONGEST:
        return None
    amount = read_plain(text, decimal)
    return read_only(text, decimal) if amount is None else amount


def read_plain(text: str, decimal: DecimalMark = ".") -> Decimal | None:
    """The amount in figures that ``text`` as a whole is, or ``None``."""
    match = _whole().fullmatch(text.strip())
    if match is None:
        return None
    if match["bracketed"]:
        return _signed(match["bracketed"], "-", decimal)
    return _amount(match, decimal)


def read_only(text: str, decimal: DecimalMark = ".") -> Decimal | None:
    """The amount in figures that stands in ``text`` among words, where there is just one."""
    rest = _OTHER.sub(" ", text)
    match = _part().search(rest)
    if match is None or leaves_numbers(rest, match.span()):
        return None
    bare = match.start() == match.start("figures") and rest[: match.start()].rstrip().endswith("(")
    if bare and rest[match.end() :].lstrip().startswith(")"):
        # A loss or an aside: nothing says.
        return None
    amount = _amount(match, decimal)
    return None if amount is None or contradicted(rest, abs(Fraction(amount))) else amount


def money_of_match(match: regex.Match[str], decimal: DecimalMark = ".") -> Decimal | None:
    """The amount a match of :data:`MONEY_PATTERN` stands for."""
    return read_plain(match[0], decimal)


def format_money(amount: Decimal, decimal: DecimalMark = ".") -> str:
    """With two decimals, or more where it has more; read under ``decimal`` it is the same amount again."""
    whole, _, decimals = f"{amount:f}".partition(".")
    decimals = decimals.rstrip("0").ljust(2, "0")
    # Under a decimal comma "1.234" would be a thousand and more; a fourth decimal says what the mark is.
    return f"{whole}.{decimals}0" if decimal == "," and len(decimals) == 3 else f"{whole}.{decimals}"


def _amount(match: regex.Match[str], decimal: DecimalMark) -> Decimal | None:
    signs = [sign.strip() for sign in (match["sign"], match["inner"], match["after"], match["last"]) if sign]
    return _signed(match["figures"], signs[0] if signs else "+", decimal) if len(signs) < 2 else None


def _signed(figures: str, sign: str, decimal: DecimalMark) -> Decimal:
    amount = read_figures("".join(char for char in figures if char not in _GROUPING), decimal)
    # Unlike the minus operator, copy_negate does not round long amounts to the decimal context.
    return amount.copy_negate() if sign != "+" and amount else amount
