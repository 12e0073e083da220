"""Value types: one canonical form each, and equality by value.

``canonical(kind, text)`` gives the normalised form (``2018-03-28``, ``9.00``, folded text) or ``None`` when the
text is no such value. Serving, evaluation, alignment and calibration all compare values through
:func:`equal`, so "right" means the same everywhere.
"""

from __future__ import annotations

import datetime
import functools
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

import regex

ValueType = Literal["text", "date", "money", "number"]
VALUE_TYPES: tuple[ValueType, ...] = get_args(ValueType)

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january",
            "feb february",
            "mar march mac",
            "apr april",
            "may mei",
            "jun june",
            "jul july",
            "aug august ogos",
            "sep sept september",
            "oct october okt",
            "nov november",
            "dec december dis",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))

# One expression finds every written form; the parser below decides what the groups mean. Digits may not touch
# further digits on either side, so that part of a telephone number is not taken for a date.
DATE_PATTERN = regex.compile(
    rf"""(?<![\d.,/-])(?:
        (?P<y1>(?:19|20)\d\d)\s?(?P<s1>[-/.])\s?(?P<m1>\d\d?)\s?(?P=s1)\s?(?P<d1>\d\d?)(?!\d)
      | (?P<a2>\d\d?)\s?(?P<s2>[-/.])\s?(?P<b2>\d\d?)\s?(?P=s2)\s?(?P<y2>(?:19|20)\d\d|\d\d(?!\d))
      | (?P<d3>\d\d?)(?:st|nd|rd|th)?[\s\-/.,']{{0,2}}(?P<m3>{_MONTH})(?![^\W\d_])
        [\s\-/.,']{{0,3}}(?P<y3>(?:19|20)\d\d|\d\d(?!\d))
      | (?<![^\W\d_])(?P<m4>{_MONTH})[\s.]{{0,2}}(?P<d4>\d\d?)(?:st|nd|rd|th)?(?!\d)
        [\s,'/-]{{1,3}}(?P<y4>(?:19|20)\d\d|\d\d(?!\d))
      | (?P<y5>20[0-3]\d)(?P<m5>0[1-9]|1[0-2])(?P<d5>0[1-9]|[12]\d|3[01])(?!\d)
      | (?P<d6>0[1-9]|[12]\d|3[01])(?P<m6>0[1-9]|1[0-2])(?P<y6>20[0-3]\d)(?!\d)
    )""",
    regex.IGNORECASE | regex.VERBOSE,
)

# An amount: optional currency, digits with one kind of thousands mark, optional decimals.
MONEY_PATTERN = regex.compile(
    r"""(?<![\w.,])(?P<sign>-\s?)?(?P<currency>RM|MYR|USD|EUR|GBP|SGD|IDR|RP|[$€£])?\s?(?P<inner>-\s?)?
        (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,3}(?:\.\d{3})+(?:,\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?![\d])""",
    regex.IGNORECASE | regex.VERBOSE,
)
_NUMBER = regex.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|(?<!\w)\.\d+)")


def fold_text(text: str) -> str:
    """Letters case-folded; commas, full stops and white space ignored (the receipts benchmark's normal form)."""
    folded = _fold_once(text)
    # Dropping a space can let two characters compose; folding again must change nothing.
    while not folded.isascii() and (again := _fold_once(folded)) != folded:
        folded = again
    return folded


def _fold_once(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char not in ",." and not char.isspace())


def _month_number(name: str) -> int:
    # Matching without regard to case lets a dotted capital I stand for i, which folds to i and a combining dot.
    return _MONTHS["".join(char for char in name.casefold() if char.isascii())]


def parse_date(text: str, *, day_first: bool = True) -> datetime.date | None:
    """The first date in ``text``.

    Two numbers that could be day or month are read by ``day_first``; where only one order gives a real
    date, that one is taken. Two-digit years are 1970 to 2069.
    """
    match = DATE_PATTERN.search(text)
    return date_of_match(match, day_first=day_first) if match else None


def date_of_match(match: regex.Match[str], *, day_first: bool = True) -> datetime.date | None:
    """The date a match of :data:`DATE_PATTERN` stands for, or ``None`` when there is no such day."""
    group = match.groupdict()
    if group["y1"]:
        orders = [(group["y1"], group["m1"], group["d1"])]
    elif group["y2"]:
        first, second = group["a2"], group["b2"]
        orders = [(group["y2"], second, first), (group["y2"], first, second)]
        if not day_first:
            orders.reverse()
    elif group["y3"]:
        orders = [(group["y3"], str(_month_number(group["m3"])), group["d3"])]
    elif group["y4"]:
        orders = [(group["y4"], str(_month_number(group["m4"])), group["d4"])]
    elif group["y5"]:
        orders = [(group["y5"], group["m5"], group["d5"])]
    else:
        orders = [(group["y6"], group["m6"], group["d6"])]
    for year, month, day in orders:
        number = int(year)
        if len(year) == 2:
            number += 2000 if number < 70 else 1900
        try:
            return datetime.date(number, int(month), int(day))
        except ValueError:
            continue
    return None


def parse_money(text: str) -> Decimal | None:
    """The first amount in ``text``; its currency is ignored.

    A last mark followed by one or two digits is the decimal mark, whichever it is; others group thousands.
    """
    match = MONEY_PATTERN.search(text)
    return money_of_match(match) if match else None


def money_of_match(match: regex.Match[str]) -> Decimal | None:
    """The amount a match of :data:`MONEY_PATTERN` stands for."""
    digits = match["digits"]
    mark = max(digits.rfind("."), digits.rfind(","))
    if mark >= 0 and len(digits) - mark - 1 in (1, 2):
        digits = digits[:mark].replace(",", "").replace(".", "") + "." + digits[mark + 1 :]
    else:
        digits = digits.replace(",", "").replace(".", "")
    try:
        amount = Decimal(digits)
    except InvalidOperation:
        return None
    negative = bool(match["sign"] or match["inner"]) and bool(amount)
    # Unlike the minus operator, copy_negate does not round long amounts to the decimal context.
    return amount.copy_negate() if negative else amount


@functools.lru_cache(maxsize=65536)
def canonical(kind: ValueType, text: str, *, day_first: bool = True) -> str | None:
    """The canonical form of ``text`` read as ``kind``, or ``None`` when it is no such value.

    Dates become ISO 8601; amounts lose currency and get two decimals; numbers lose grouping and trailing zeros; text is
    folded as :func:`fold_text` says.
    """
    if kind == "date":
        date = parse_date(text, day_first=day_first)
        return date.isoformat() if date else None
    if kind == "money":
        amount = parse_money(text)
        return None if amount is None else f"{amount:.2f}"
    if kind == "number":
        match = _NUMBER.search(text)
        if not match:
            return None
        number = Decimal(match[0].replace(",", ""))
        written = f"{number if number else abs(number):f}"
        return written.rstrip("0").rstrip(".") if "." in written else written
    return fold_text(text) or None


def equal(kind: ValueType, left: str, right: str, *, day_first: bool = True) -> bool:
    """Whether two texts are the same value (an equivalence relation).

    Texts that are no such value are equal when they differ in letter case and white space alone: ignoring a full stop
    would make two different amounts equal. A value never equals a text that is none.
    """
    return _identity(kind, left, day_first) == _identity(kind, right, day_first)


def _identity(kind: ValueType, text: str, day_first: bool) -> tuple[bool, str]:
    value = canonical(kind, text, day_first=day_first)
    if value is not None or kind == "text":
        return True, value or ""
    return False, "".join(unicodedata.normalize("NFKC", text).casefold().split())
