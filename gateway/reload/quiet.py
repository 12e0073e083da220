"""Noticing that something changed and has since been left alone."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Quiet(Generic[T]):
    """Watches one value, such as the signature of a directory.

    Args:
        taken: the value that is known already.
        seconds: how long a value must stay the same before it counts.
    """

    def __init__(self, taken: T | None, seconds: float) -> None:
        self._taken = taken
        self._seconds = seconds
        self._last = taken
        self._first_change = 0.0
        self._last_change = 0.0

    @property
    def seen(self) -> float:
        """When the change that is pending was first seen."""
        return self._first_change

    def settled(self, value: T, now: float) -> bool:
        """Whether ``value`` is another than the one taken and has been the same for long enough."""
        if value != self._last:
            if self._last == self._taken:
                self._first_change = now
            self._last, self._last_change = value, now
        return value != self._taken and now - self._last_change >= self._seconds

    def take(self) -> None:
        """The value as last seen has been dealt with."""
        self._taken = self._last

    def again(self, now: float) -> None:
        """It could not be dealt with: it counts as changed just now."""
        self._last_change = now
