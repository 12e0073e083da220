"""One stage of a run: what it depends on, what it writes, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A stage that a plan can ask about before it is done.

    Args:
        name: as it stands in ``stages.json`` and is shown.
        inputs: the fingerprint of everything that shapes its result; only to be asked once the stages before it are
            done.
        outputs: the files it writes.
        work: does it and returns a report that JSON can hold.
        every_worker: whether all processes of a data-parallel training do it together.
    """

    name: str
    inputs: Callable[[], str]
    outputs: tuple[Path, ...]
    work: Callable[[], dict[str, Any]]
    every_worker: bool = False
