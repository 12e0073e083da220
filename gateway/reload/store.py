"""The run directory: copies of what was checked, the pointer to what is in force, and what each worker follows.

    current.json             the pointer, replaced atomically
    generations/<task>-<n>/  a small home: rules/<task>/, rules/library/, models/<task>/policy.json
    workers/<pid>.json       what a worker has in force

It is private to one running service and one user, and goes with it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.files import write_text
from gateway.home import Home
from gateway.reload.generations import Published
from gateway.reload.sources import LIBRARY, Content

#: Generations of a task that are kept: a worker may be reading the one before.
KEPT = 4


@dataclass(frozen=True)
class InForce:
    """What one worker has in force of a task: a generation's number, and when it took it (monotonic clock)."""

    generation: int
    since: float


@dataclass(frozen=True)
class Store:
    """Reads and writes the run directory ``path``."""

    path: Path

    def home(self, directory: str) -> Home:
        """The home that one generation is."""
        return Home(self.path / "generations" / directory)

    def write(self, directory: str, task: str, content: Content) -> Home:
        """Copy what was read; nobody knows of the copy until a pointer names it.

        Raises:
            OSError: no space, or the like; nothing is left behind.
        """
        home = self.home(directory)
        self.remove(directory)
        try:
            for name in (task, LIBRARY):
                (home.rules / name).mkdir(parents=True)
            for name, data in content.items():
                path = home.path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        except OSError:
            self.remove(directory)
            raise
        return home

    def remove(self, directory: str) -> None:
        """Take a copy away, if there is one."""
        shutil.rmtree(self.path / "generations" / directory, ignore_errors=True)

    def publish(self, published: Published) -> None:
        """Replace the pointer."""
        write_text(self._pointer, json.dumps(published.as_json()))

    def current(self) -> Published:
        """The state in force.

        Raises:
            OSError: nothing has been published.
        """
        return Published.from_json(json.loads(self._pointer.read_bytes()))

    def pointer_bytes(self) -> bytes:
        """The pointer as it lies there: cheap to compare."""
        return self._pointer.read_bytes()

    @property
    def _pointer(self) -> Path:
        return self.path / "current.json"

    @property
    def _workers(self) -> Path:
        return self.path / "workers"

    def report(self, in_force: Mapping[str, InForce], process_id: int | None = None) -> None:
        """Write what this process has in force."""
        listed = {task: [state.generation, state.since] for task, state in in_force.items()}
        write_text(self._workers / f"{process_id or os.getpid()}.json", json.dumps(listed))

    def forget(self, process_id: int) -> None:
        """A worker has died."""
        (self._workers / f"{process_id}.json").unlink(missing_ok=True)

    def workers(self) -> dict[int, dict[str, InForce]]:
        """Process id to what that worker has in force."""
        found: dict[int, dict[str, InForce]] = {}
        for path in sorted(self._workers.glob("[0-9]*.json")):
            try:
                raw = json.loads(path.read_bytes())
            except FileNotFoundError:
                continue  # it died just now
            found[int(path.stem)] = {task: InForce(number, since) for task, (number, since) in raw.items()}
        return found
