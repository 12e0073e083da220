"""Loading ahead what the value types need, so that no request waits for it."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.values.reading import read
from gateway.values.types import DEFAULT_OPTIONS, ValueOptions, ValueType

#: Values of each type that reach all that is loaded, or compiled, on first use.
_SAMPLES: dict[ValueType, tuple[str, ...]] = {
    "date": ("5th of March of 2015", "1 March 2015 to 2 March 2015"),
    "time": ("18:40", "18:40 to 19:00"),
    "money": ("one dollar", "total 5"),
    "number": ("one", "number 5"),
    "percent": ("one percent", "share 5"),
    "dimension": ("one mile",),
    "url": ("example.com",),
    "guid": ("123e4567-e89b-12d3-a456-426655440000",),
    "phone": ("+44 20 7946 0958", "020 7946 0958"),
    "email": ("someone@example.com",),
    "iban": ("GB82 WEST 1234 5698 7654 32",),
    "card": ("4111 1111 1111 1111",),
    "tax-id": ("GB980780684", "980780684"),
}


def warm_up(kinds: Iterable[ValueType], options: ValueOptions = DEFAULT_OPTIONS) -> None:
    """Load the libraries and tables of ``kinds`` now.

    The rules tier calls it when it loads: a first use inside a request would take longer than a rule may run.
    """
    for kind in set(kinds):
        for sample in _SAMPLES.get(kind, ()):
            read(kind, sample, options)
