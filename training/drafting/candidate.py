"""A rule that might be drafted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A rule made from some documents by one way of making rules.

    ``key`` names the way (``left:of the|type``): what the same way makes from other documents is the same
    candidate. ``keys`` are those of the rule as its file has them, without id, examples and figures; ``origin`` says
    for people what it comes from; ``entries`` are the rows of its lookup file; ``part`` is what several simple
    candidates of one ``family`` can be joined by.
    """

    key: str
    keys: Mapping[str, Any]
    origin: str
    support: int
    entries: tuple[str, ...] = ()
    family: str = ""
    part: tuple[str, str] = ("", "")
