"""Shares of a hundred, signed or in words; those of a thousand and basis points are read as such."""

from __future__ import annotations

from fractions import Fraction

import regex

from gateway.values.numbers import NUMBER_SOURCE, SIGN_SOURCE, UNSIGNED_SOURCE, parse_number, write_number
from gateway.values.types import DecimalMark

_NAME = r"(?:per\s?cents?|percentages?(?:\spoints?)?|pct\b\.?|pc\b)"
_SIGN = rf"(?:{SIGN_SOURCE}|\b(?:minus|negative)\s)?"
PERCENT_SOURCE = (
    rf"(?<![\w%])(?:{_SIGN}(?>{UNSIGNED_SOURCE})(?:\s{{0,3}}[%\uff05\u2030](?!\w)|(?:\s{{0,3}}|-|\s-\s){_NAME}(?!\w))"
    rf"|{_NAME}\s{{1,3}}of\s{{1,3}}{NUMBER_SOURCE})"
)
_MARKS = regex.compile(rf"[%\uff05]|\b{_NAME}|(?<=\d){_NAME}|\bof\b", regex.IGNORECASE)
# Smaller shares, and how many of each a hundredth is.
_THOUSANDTHS = regex.compile(r"\u2030|(?<![^\W\d])(?:per|pro)[\s-]?(?:mill?e|thousand)(?!\w)", regex.IGNORECASE)
_BASIS_POINTS = regex.compile(
    r"\u2031|(?<![^\W\d])basis[\s-]points?(?!\w)|(?<=\d\s{0,3})bps?(?!\w|\.\w)", regex.IGNORECASE
)
# Per cent stands for none of these, and shares of more are not read.
_OTHER_SHARE = regex.compile(r"\bper\s(?:hundred|ten|million|billion)|(?<![^\W\d])pp[mbt]v?(?!\w)", regex.IGNORECASE)


def parse_percent(text: str, decimal: DecimalMark = ".") -> str | None:
    """A percentage as ``12.5%``; a number without a sign is read as one, 5 ‰ are 0.5 % and 5 basis points 0.05 %."""
    if _OTHER_SHARE.search(text):
        return None
    marks = {10: _THOUSANDTHS, 100: _BASIS_POINTS, 1: _MARKS}
    share = next(share for share, mark in marks.items() if share == 1 or mark.search(text))
    bare = marks[share].sub(" ", text).strip().rstrip("-").strip()
    if share > 1 and _MARKS.search(bare):
        return None
    number = parse_number(bare, decimal)
    if number is None or share == 1:
        return None if number is None else f"{number}%"
    return f"{write_number(Fraction(number) / share, decimal)}%"
