"""The one line by which a recipe turns a method on: ``name``, ``key=value`` options and flags."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gateway.errors import ConfigurationError


class Options:
    """The options of one line, each taken once; :meth:`done` refuses what nobody took."""

    def __init__(self, method: str, words: Sequence[str]) -> None:
        self.method = method
        self._values: dict[str, str] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if key in self._values:
                raise ConfigurationError(f"{method}: {key} stands twice")
            self._values[key] = value if equals else "yes"
        self._known: list[str] = []

    def text(self, key: str, default: str, choices: Sequence[str] = ()) -> str:
        """A word, one of ``choices`` if there are any."""
        self._known.append(key)
        value = self._values.pop(key, default)
        if choices and value not in choices:
            raise ConfigurationError(f"{self.method}: {key} must be one of {', '.join(choices)}, found {value}")
        return value

    def number(self, key: str, default: float, least: float = -math.inf, most: float = math.inf) -> float:
        """A number within limits; ``30%`` is 0.3."""
        self._known.append(key)
        raw = self._values.pop(key, None)
        if raw is None:
            return default
        try:
            value = float(raw[:-1]) / 100 if raw.endswith("%") else float(raw)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ConfigurationError(
                f"{self.method}: {key} must be a number from {least:g} to {most:g}, found {raw or 'nothing'}"
            )
        return value

    def integer(self, key: str, default: int, least: int = 0, most: int = 2**31) -> int:
        """A whole number within limits."""
        value = self.number(key, default, least, most)
        if value != int(value):
            raise ConfigurationError(f"{self.method}: {key} must be a whole number, found {value:g}")
        return int(value)

    def flag(self, key: str) -> bool:
        """Whether a word without a value stands in the line; ``key=yes`` and ``key=no`` say the same."""
        return self.text(key, "no", ("yes", "no")) == "yes"

    def done(self) -> None:
        """Refuse what is left.

        Raises:
            ConfigurationError: the line has an option that the method does not know.
        """
        if self._values:
            raise ConfigurationError(
                f"{self.method}: unknown option {', '.join(self._values)}; there are: {', '.join(sorted(self._known))}"
            )


def parse_line(line: str, methods: Mapping[str, str]) -> tuple[str, str]:
    """The method a line names and the rest of the line.

    Raises:
        ConfigurationError: there is no such method.
    """
    name, _, rest = line.strip().partition(" ")
    name = name.removesuffix(":")
    if name not in methods:
        raise ConfigurationError(
            f"there is no method {name or '(empty line)'}; there are: {', '.join(sorted(methods))}"
        )
    return name, rest.strip()
