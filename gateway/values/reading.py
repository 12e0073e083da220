"""One canonical form for each value type, and equality by value."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Mapping

from gateway.values.accounts import parse_card, parse_iban
from gateway.values.amounts import read_amount
from gateway.values.dates import parse_date
from gateway.values.dimensions import parse_dimension
from gateway.values.internet import parse_email, parse_guid, parse_ip, parse_url
from gateway.values.money import format_money, read_only, read_plain
from gateway.values.numbers import parse_number
from gateway.values.percent import parse_percent
from gateway.values.phones import parse_phone
from gateway.values.tax import parse_tax
from gateway.values.text import fold_text
from gateway.values.times import parse_time
from gateway.values.types import DEFAULT_OPTIONS, ValueOptions, ValueType, longest_value


def _date(text: str, options: ValueOptions) -> str | None:
    date = parse_date(text, day_first=options.day_first)
    return date.isoformat() if date else None


def _money(text: str, options: ValueOptions) -> str | None:
    for read in (read_plain, read_amount, read_only):
        amount = read(text, options.decimal)
        if amount is not None:
            return format_money(amount, options.decimal)
    return None


_READERS: Mapping[ValueType, Callable[[str, ValueOptions], str | None]] = {
    "text": lambda text, options: fold_text(text) or None,
    "date": _date,
    "time": lambda text, options: parse_time(text),
    "money": _money,
    "number": lambda text, options: parse_number(text, options.decimal),
    "percent": lambda text, options: parse_percent(text, options.decimal),
    "dimension": lambda text, options: parse_dimension(text, options.decimal),
    "phone": lambda text, options: parse_phone(text, options.region),
    "email": lambda text, options: parse_email(text),
    "url": lambda text, options: parse_url(text),
    "ip": lambda text, options: parse_ip(text),
    "guid": lambda text, options: parse_guid(text),
    "iban": lambda text, options: parse_iban(text),
    "card": lambda text, options: parse_card(text),
    "tax-id": lambda text, options: parse_tax(text, options.region),
}


def canonical(kind: ValueType, text: str, *, options: ValueOptions = DEFAULT_OPTIONS) -> str | None:
    """The canonical form of ``text`` read as ``kind``, or ``None`` when it is no such value.

    ``docs/values.md`` lists the forms: dates are ISO 8601, amounts lose their currency and get two decimals, texts are
    folded as :func:`fold_text` says. The canonical form of a canonical form is itself. What is longer than
    :func:`gateway.values.types.longest_value` says is no value, and so is what would have a longer canonical form.
    """
    longest = longest_value(kind)
    if longest is None:
        # Long texts are not kept: they would fill the memory, and folding them is cheap.
        return _remembered(kind, text, options) if len(text) <= _KEPT else read(kind, text, options)
    if len(text) > longest:
        return None
    value = _remembered(kind, text, options)
    return None if value is None or len(value) > longest else value


#: The longest text that is remembered with its canonical form.
_KEPT = 1000


@functools.lru_cache(maxsize=65536)
def _remembered(kind: ValueType, text: str, options: ValueOptions) -> str | None:
    return read(kind, text, options)


def read(kind: ValueType, text: str, options: ValueOptions) -> str | None:
    """:func:`canonical` without its bounds and its memory."""
    return _READERS[kind](text, options)


def equal(kind: ValueType, left: str, right: str, *, options: ValueOptions = DEFAULT_OPTIONS) -> bool:
    """Whether two texts are the same value (an equivalence relation).

    Texts that are no such value are equal when they differ in letter case and white space alone: ignoring a full stop
    would make two different amounts equal. A value never equals a text that is none.
    """
    return _identity(kind, left, options) == _identity(kind, right, options)


def _identity(kind: ValueType, text: str, options: ValueOptions) -> tuple[bool, str]:
    value = canonical(kind, text, options=options)
    if value is not None or kind == "text":
        return True, value or ""
    return False, "".join(unicodedata.normalize("NFKC", text).casefold().split())
