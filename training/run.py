"""A run directory: where unfinished work is kept, who works there, and which stages are done."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import DirectoryInUse
from gateway.evaluation.dataset import file_digest
from gateway.files import write_json
from training.outlook import Outlook, words
from training.parallel import Workers

LOCK = ".lock"
#: A stage whose report has this key (and why) is done again the next time.
PROVISIONAL = "provisional"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a work directory for this process.

    Raises:
        DirectoryInUse: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            raise _in_use(directory, stream.read().strip()) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold a directory that others read, such as the one models go to, without leaving a file in it.

    Raises:
        DirectoryInUse: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _in_use(directory, _holder(handle)) from error
        yield
    finally:
        os.close(handle)


def _in_use(directory: Path, process: str) -> DirectoryInUse:
    return DirectoryInUse(
        f"{directory}: another training run (process {process or 'unknown'}) is at work here; wait for it, or give this"
        " run a --work and an --out of its own"
    )


def _holder(handle: int) -> str:
    """The process that holds the lock of an open file, where the system tells (Linux)."""
    inode = os.fstat(handle).st_ino
    try:
        lines = Path("/proc/locks").read_text("utf-8").splitlines()
    except OSError:
        return ""
    # 1: FLOCK ADVISORY WRITE 4242 08:01:131 0 EOF
    held = [line.split() for line in lines if "->" not in line]
    return next((words[4] for words in held if words[1] == "FLOCK" and words[5].endswith(f":{inode}")), "")


def forget(directory: Path) -> None:
    """Remove what earlier runs kept in ``directory``: checkpoints and finished stages.

    Raises:
        DirectoryInUse: another process is at work there.
    """
    with locked(directory):
        for path in directory.iterdir():
            # Without the lock's file two runs would hold two locks.
            if path.is_file() and path.name != LOCK:
                path.unlink()
        for fold in (directory / "folds").glob("*/work"):
            forget(fold)


def fingerprint(*parts: Any) -> str:
    """A digest of anything JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


class Run:
    """Stages of one training run, each done once for the same inputs.

    ``stages.json`` keeps every finished stage's input fingerprint, the digests of what it wrote, seconds and report.

    Args:
        directory: the work directory.
        workers: the processes of this training; the first decides, writes and says what is done.
        outlook: told when a stage begins and ends.
        within: what stages belong to, for the outlook: the number of a fold.
    """

    def __init__(
        self, directory: Path, workers: Workers | None = None, outlook: Outlook | None = None, within: str = ""
    ) -> None:
        self.directory = directory
        self.workers = workers or Workers()
        self.outlook = outlook or Outlook()
        self._within = within
        self._path = directory / "stages.json"
        self._stages: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            self._stages = json.loads(self._path.read_text("utf-8"))

    def is_done(self, name: str, inputs: str, outputs: Sequence[Path]) -> bool:
        """Whether the stage was done with these inputs and what it wrote is there and unchanged."""
        done = self._stages.get(name)
        if done is None or done["inputs"] != inputs or not all(path.exists() for path in outputs):
            return False
        # Runs of versions before this one kept no digests.
        written = done.get("outputs", {})
        return all(file_digest(path) == written[path.name] for path in outputs if path.name in written)

    def stage(
        self,
        name: str,
        inputs: str,
        outputs: Sequence[Path],
        work: Callable[[], dict[str, Any]],
        *,
        every_worker: bool = False,
    ) -> dict[str, Any]:
        """Do ``work`` unless it was done with the same inputs and its outputs are still there; returns its report.

        Args:
            outputs: files that the work writes, with different names.
            work: done by the first process alone, or by ``every_worker``; only the first may write files.
        """
        first = self.workers.first
        if self.workers.told(self.is_done(name, inputs, outputs) if first else False):
            if first:
                print(f"[{name}] done before ({self._stages[name]['seconds']:.0f} s)", flush=True)
            self.outlook.skip(self._within + name)
            return self.workers.told(self._stages[name]["report"] if first else {})
        if first:
            left = self.outlook.begin(self._within + name)
            print(f"[{name}] …{f' {left}' if left else ''}", flush=True)
        started = time.perf_counter()
        report = self.workers.told(work() if first or every_worker else {})
        seconds = time.perf_counter() - started
        self.outlook.end(self._within + name)
        if first:
            if PROVISIONAL in report:
                self._stages.pop(name, None)
            else:
                self._stages[name] = {
                    "inputs": inputs,
                    "outputs": {path.name: file_digest(path) for path in outputs},
                    "seconds": round(seconds, 1),
                    "report": report,
                }
            write_json(self._path, self._stages)
            print(f"[{name}] {words(seconds)}", flush=True)
        return report

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds of every finished stage."""
        return {name: stage["seconds"] for name, stage in self._stages.items()}
