"""What a type's pattern finds and its parser accepts, as the rules tier puts them together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import regex

from gateway.values import DEFAULT_OPTIONS, PATTERNS, VALUE_TYPES, ValueOptions, ValueType, canonical, warm_up

Find = Callable[..., list[tuple[str, str]]]


@pytest.fixture(scope="session", autouse=True)
def _warm() -> None:
    """The libraries are there before the first example of a property is timed."""
    warm_up(VALUE_TYPES, ValueOptions(region="US"))


@pytest.fixture
def find() -> Find:
    """``find(kind, text)`` gives what is found and its canonical form; ``name`` picks another pattern."""

    def find(
        kind: ValueType, text: str, *, name: str | None = None, options: ValueOptions = DEFAULT_OPTIONS
    ) -> list[tuple[str, str]]:
        matches = regex.finditer(PATTERNS[name or kind], text, regex.IGNORECASE | regex.MULTILINE)
        read = [(match[0], canonical(kind, match[0], options=options)) for match in matches]
        return [(text, value) for text, value in read if value is not None]

    return find


@pytest.fixture(scope="session")
def find_all() -> Find:
    """``find`` for property tests, which share one fixture between their examples."""

    def find(kind: ValueType, text: str) -> list[tuple[str, str]]:
        matches = regex.finditer(PATTERNS[kind], text, regex.IGNORECASE | regex.MULTILINE)
        read = [(match[0], canonical(kind, match[0])) for match in matches]
        return [(text, value) for text, value in read if value is not None]

    return find
