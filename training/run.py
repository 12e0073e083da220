"""A run directory: where unfinished work is kept, who works there, and which stages are done."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError
from gateway.files import write_json

LOCK = ".lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory for this process.

    Raises:
        ConfigurationError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            raise ConfigurationError(
                f"{directory}: another training run (process {stream.read().strip() or 'unknown'}) is at work here"
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def forget(directory: Path) -> None:
    """Remove what earlier runs kept in ``directory``: checkpoints and finished stages.

    Raises:
        ConfigurationError: another process is at work there.
    """
    with locked(directory):
        for path in directory.iterdir():
            # Without the lock's file two runs would hold two locks.
            if path.is_file() and path.name != LOCK:
                path.unlink()


def fingerprint(*parts: Any) -> str:
    """A digest of anything JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


class Run:
    """Stages of one training run, each done once for the same inputs.

    ``stages.json`` keeps every finished stage's input fingerprint, seconds and report.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = directory / "stages.json"
        self._stages: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            self._stages = json.loads(self._path.read_text("utf-8"))

    def stage(self, name: str, inputs: str, outputs: list[Path], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do ``work`` unless it was done with the same inputs and its outputs are still there; returns its report."""
        done = self._stages.get(name)
        if done and done["inputs"] == inputs and all(path.exists() for path in outputs):
            print(f"[{name}] done before ({done['seconds']:.0f} s)", flush=True)
            report: dict[str, Any] = done["report"]
            return report
        print(f"[{name}] …", flush=True)
        started = time.perf_counter()
        report = work()
        seconds = time.perf_counter() - started
        self._stages[name] = {"inputs": inputs, "seconds": round(seconds, 1), "report": report}
        write_json(self._path, self._stages)
        print(f"[{name}] {seconds:.0f} s", flush=True)
        return report

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds of every finished stage."""
        return {name: stage["seconds"] for name, stage in self._stages.items()}
