"""The search pattern of each value type: cheap, so that only what it finds needs to be read by the type's parser."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.values.accounts import CARD_SOURCE, IBAN_SOURCE
from gateway.values.amounts import CURRENCY_AMOUNT_SOURCE
from gateway.values.dates import DATE_PATTERN, FULL_DATE_SOURCE
from gateway.values.dimensions import DIMENSION_SOURCE
from gateway.values.internet import EMAIL_SOURCE, GUID_SOURCE, IP_SOURCE, URL_SOURCE
from gateway.values.money import MONEY_PATTERN
from gateway.values.numbers import NUMBER_SOURCE
from gateway.values.percent import PERCENT_SOURCE
from gateway.values.phones import PHONE_SOURCE
from gateway.values.tax import TAX_SOURCE
from gateway.values.times import TIME_SOURCE

#: By value type, and two wider forms. Regular expressions for the ``regex`` module with IGNORECASE and MULTILINE; the
#: whole match is the value. What a
#: match stands for, and whether it is a value at all, is for :func:`gateway.values.canonical` to say.
PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "text": r"\S(?:.*\S)?",
        "date": f"(?x:{DATE_PATTERN.pattern}\n)",
        "time": TIME_SOURCE,
        "money": f"(?x:{MONEY_PATTERN.pattern}\n)",
        "number": NUMBER_SOURCE,
        "percent": PERCENT_SOURCE,
        "dimension": DIMENSION_SOURCE,
        "phone": PHONE_SOURCE,
        "email": EMAIL_SOURCE,
        "url": URL_SOURCE,
        "ip": IP_SOURCE,
        "guid": GUID_SOURCE,
        "iban": IBAN_SOURCE,
        "card": CARD_SOURCE,
        "tax-id": TAX_SOURCE,
        # Wider forms of two types: dates with their weekday and in words; amounts that have a currency.
        "full-date": FULL_DATE_SOURCE,
        "currency-amount": CURRENCY_AMOUNT_SOURCE,
    }
)
