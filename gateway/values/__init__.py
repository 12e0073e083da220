"""Value types: a search pattern and one canonical form each, and equality by value.

``canonical(kind, text)`` gives the normalised form (``2018-03-28``, ``9.00``, folded text) or ``None`` when the
text is no such value. Serving, evaluation, alignment and calibration all compare values through
:func:`equal`, so "right" means the same everywhere.
"""

from gateway.values.dates import DATE_PATTERN, date_of_match, parse_date
from gateway.values.money import MONEY_PATTERN, money_of_match, parse_money
from gateway.values.patterns import PATTERNS
from gateway.values.reading import canonical, equal
from gateway.values.text import fold_text
from gateway.values.types import DEFAULT_OPTIONS, VALUE_TYPES, DecimalMark, ValueOptions, ValueType
from gateway.values.warming import warm_up

__all__ = [
    "DATE_PATTERN",
    "DEFAULT_OPTIONS",
    "MONEY_PATTERN",
    "PATTERNS",
    "VALUE_TYPES",
    "DecimalMark",
    "ValueOptions",
    "ValueType",
    "canonical",
    "date_of_match",
    "equal",
    "fold_text",
    "money_of_match",
    "parse_date",
    "parse_money",
    "warm_up",
]
