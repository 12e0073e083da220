"""Shares of a hundred, signed or in words."""

from __future__ import annotations

import regex

from gateway.values.numbers import NUMBER_SOURCE, SIGN_SOURCE, UNSIGNED_SOURCE, parse_number
from gateway.values.types import DecimalMark

_NAME = r"(?:per\s?cents?|percentages?(?:\spoints?)?|pct\b\.?|pc\b)"
_SIGN = rf"(?:{SIGN_SOURCE}|\b(?:minus|negative)\s)?"
PERCENT_SOURCE = (
    rf"(?<![\w%])(?:{_SIGN}(?>{UNSIGNED_SOURCE})(?:\s{{0,3}}[%\uff05](?!\w)|(?:\s{{0,3}}|-|\s-\s){_NAME}(?!\w))"
    rf"|{_NAME}\s{{1,3}}of\s{{1,3}}{NUMBER_SOURCE})"
)
_MARKS = regex.compile(rf"[%\uff05]|\b{_NAME}|(?<=\d){_NAME}|\bof\b", regex.IGNORECASE)


def parse_percent(text: str, decimal: DecimalMark = ".") -> str | None:
    """A percentage as ``12.5%``; a number without a sign is read as one."""
    bare = _MARKS.sub(" ", text).strip().rstrip("-").strip()
    number = parse_number(bare, decimal)
    return None if number is None else f"{number}%"
