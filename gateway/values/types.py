"""The value types a field can have, and what a task says about reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

ValueType = Literal[
    "text",
    "date",
    "time",
    "money",
    "number",
    "percent",
    "dimension",
    "phone",
    "email",
    "url",
    "ip",
    "guid",
    "iban",
    "card",
    "tax-id",
]
VALUE_TYPES: tuple[ValueType, ...] = get_args(ValueType)
DecimalMark = Literal[".", ","]

#: How many characters a value may have, as written and in its canonical form. Reading takes longer for longer texts,
#: and nothing longer is a number, a date or an account number. Text may have any length: folding it takes linear time.
LONGEST = 200
_LONGER: Mapping[ValueType, int] = MappingProxyType({"url": 1000, "email": 320})


def longest_value(kind: ValueType) -> int | None:
    """How many characters a value of a type may have; ``None`` where there is no bound."""
    return None if kind == "text" else _LONGER.get(kind, LONGEST)


@dataclass(frozen=True)
class ValueOptions:
    """How a task's values are written.

    Attributes:
        day_first: whether ``04/05/2018`` is the 4th of May.
        region: ISO 3166 code of the country (``"MY"``) that telephone numbers and tax identifiers without a country
            belong to; ``None`` where documents come from anywhere.
        decimal: the decimal mark of numbers. Where the writing itself decides (``1,234.50``), it does not matter.
    """

    day_first: bool = True
    region: str | None = None
    decimal: DecimalMark = "."

    @property
    def identity(self) -> str:
        """What identifies the options in digests; what is left at its default does not show."""
        parts = [str(self.day_first)]
        if self.region is not None:
            parts.append(f"region={self.region}")
        if self.decimal != ".":
            parts.append(f"decimal={self.decimal}")
        return ";".join(parts)


DEFAULT_OPTIONS = ValueOptions()
