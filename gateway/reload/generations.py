"""What is published: for each task the number and directory of its generation, and what is wrong with newer files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

#: What came of a change: ``published``, a generation was made of it or a task taken away; ``rejected``, it is wrong;
#: ``failed``, it could not be read, written or checked.
ReloadResult = Literal["published", "rejected", "failed"]
RELOAD_RESULTS: tuple[ReloadResult, ...] = get_args(ReloadResult)


@dataclass(frozen=True)
class Problem:
    """What is wrong with a task's files as they are now. ``file`` is their own place, not that of a copy; ``in_force``:
    they are served in spite of it, for the service was started with them."""

    code: str
    message: str
    severity: Literal["error", "warning"] = "error"
    file: str | None = None
    line: int | None = None
    column: int | None = None
    rule: str | None = None
    in_force: bool = False

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.code} {self.message}" if place else f"{self.code} {self.message}"


@dataclass(frozen=True)
class Generation:
    """One immutable set of a task's files.

    ``directory`` is a small home that holds them. ``seen`` and ``published`` are moments of the machine's monotonic
    clock: when the change was first seen, and when this was published. ``late`` marks a task that was not there when
    the service started.
    """

    number: int
    directory: str
    digest: str
    seen: float
    published: float
    late: bool = False


@dataclass(frozen=True)
class Published:
    """The state of all tasks. ``sequence`` grows with every change of it."""

    sequence: int = 0
    tasks: Mapping[str, Generation] = field(default_factory=dict)
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    results: Mapping[ReloadResult, int] = field(default_factory=dict)
    watching: bool = True

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Published:
        """The inverse of :meth:`as_json`."""
        return cls(
            raw["sequence"],
            {name: Generation(**generation) for name, generation in raw["tasks"].items()},
            {name: tuple(Problem(**problem) for problem in problems) for name, problems in raw["problems"].items()},
            raw["results"],
            raw["watching"],
        )
