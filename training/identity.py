"""What of a recipe names a result: its values, but for keys that came later and are not used.

A stage is not done again while its part of the recipe is the same. A key that a later version adds, at its default,
leaves everything as it was, so that it must not change the fingerprint of what was made before it existed.
"""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")
_LATER = "later"


def since_then(default: T) -> T:
    """A dataclass field that was added after results had been made; at its default it does not name them."""
    made: Any = field(default=default, metadata={_LATER: True})
    return made


def identity(value: Any) -> Any:
    """A recipe, or a part of it, as plain values for a fingerprint.

    Dataclasses become dictionaries without the fields of :func:`since_then` that have their default.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: identity(getattr(value, item.name))
            for item in fields(value)
            if not (item.metadata.get(_LATER) and getattr(value, item.name) == item.default)
        }
    if isinstance(value, (list, tuple)):
        return [identity(item) for item in value]
    return value
