"""Amounts of money: their written forms, and the amount each stands for."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import regex

# An amount: optional currency, digits with one kind of thousands mark, optional decimals.
MONEY_PATTERN = regex.compile(
    r"""(?<![\w.,])(?P<sign>-\s?)?(?P<currency>RM|MYR|USD|EUR|GBP|SGD|IDR|RP|[$€£])?\s?(?P<inner>-\s?)?
        (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,3}(?:\.\d{3})+(?:,\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?![\d])""",
    regex.IGNORECASE | regex.VERBOSE,
)


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
