"""The home: the directory whose ``rules/`` and ``models/`` say what the gateway extracts and with what."""

from __future__ import annotations

import importlib.resources
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import HomeNotFound, InvalidRequest, TaskFileError, UnknownTask
from gateway.task import TaskSpec, load_task
from gateway.tiers.large.remote.pricing import with_call_price

HOME_VARIABLE = "CASCADE_HOME"
CACHE_VARIABLE = "CASCADE_CACHE"
UPSTREAMS_VARIABLE = "CASCADE_UPSTREAMS"
STARTER_PARTS = ("rules", "models")
_STATED_TASK = re.compile(rb"""^task[ \t]*:[ \t]*["']?([a-z][a-z0-9_-]*)""", re.MULTILINE)
_MAX_TASK_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class Home:
    """A directory with ``rules/<task>/`` and ``models/<task>/``."""

    path: Path

    @property
    def rules(self) -> Path:
        return self.path / "rules"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def upstreams(self) -> Path:
        """The file that names remote large models: ``CASCADE_UPSTREAMS``, by default ``upstreams.yaml`` here."""
        configured = os.environ.get(UPSTREAMS_VARIABLE)
        return Path(configured).expanduser() if configured else self.path / "upstreams.yaml"

    @property
    def cache(self) -> Path:
        """Where fetched base models are kept: ``CASCADE_CACHE``, by default ``~/.cache/cascade-gateway``."""
        return cache_directory()

    def tasks(self) -> list[str]:
        """Names of the directories under ``rules/`` that hold a ``task.yaml``, sorted; no hidden ones and no copies."""
        copies = self.copies()
        return [name for name in self._directories() if name not in copies]

    def copies(self) -> dict[str, str]:
        """Directory to the task of which it is a copy: its ``task.yaml`` names another task that is there itself.

        Nobody asks for a task under the name of somebody's copy (``receipts-old/``), whatever else it holds.
        """
        directories = self._directories()
        stated = {name: _stated_task(self.rules / name / "task.yaml") for name in directories}
        return {
            name: task
            for name, task in stated.items()
            if task is not None and task != name and stated.get(task) == task
        }

    def _directories(self) -> list[str]:
        return sorted(path.parent.name for path in self.rules.glob("[!.]*/task.yaml"))

    def task(self, name: str) -> TaskSpec:
        """Read one task. Only names of directories that are there are looked up, so a name is never used as a path.

        Raises:
            UnknownTask: naming the tasks there are.
            TaskFileError: its ``task.yaml`` is wrong.
            UpstreamFileError: its large tier is remote, and ``upstreams.yaml`` or ``large/remote.yaml`` is wrong.
        """
        return with_call_price(self.unpriced_task(name), self.models / name, self.upstreams)

    def unpriced_task(self, name: str) -> TaskSpec:
        """As :meth:`task`, without what a remote large tier bills: the files about it are not read.

        Raises:
            UnknownTask: naming the tasks there are.
            TaskFileError: its ``task.yaml`` is wrong.
        """
        if name not in self._directories():
            known = self.tasks()
            raise UnknownTask(
                f"no task {name[:100]!r}; there are: {', '.join(known) or 'none'}", detail={"tasks": known}
            )
        path = self.rules / name / "task.yaml"
        spec = load_task(path)
        if spec.name != name:
            raise TaskFileError(f"{path}: task is {spec.name!r} but the directory is called {name!r}")
        return spec


def _stated_task(path: Path) -> str | None:
    """The name that a ``task.yaml`` states, even where the file is otherwise wrong; its directory's without one."""
    try:
        with path.open("rb") as stream:
            found = _STATED_TASK.search(stream.read(_MAX_TASK_FILE_BYTES))
    except OSError:
        return None
    return found[1].decode() if found else path.parent.name


def cache_directory() -> Path:
    """Where fetched base models are kept: ``CASCADE_CACHE``, by default ``~/.cache/cascade-gateway``."""
    configured = os.environ.get(CACHE_VARIABLE)
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "cascade-gateway"


def find_home(flag: Path | None = None) -> Home:
    """The home named by ``flag``, else by ``CASCADE_HOME``, else the working directory.

    A place that was named but holds no ``rules/`` is an error; it is not passed over for the next one.

    Raises:
        HomeNotFound: with what to do about it.
    """
    configured = os.environ.get(HOME_VARIABLE)
    if flag is not None:
        path, named_by = flag, "--home"
    elif configured:
        path, named_by = Path(configured), HOME_VARIABLE
    else:
        path, named_by = Path.cwd(), "the working directory"
    path = path.expanduser().absolute()
    if not (path / "rules").is_dir():
        raise HomeNotFound(
            f"{path} ({named_by}) has no rules directory. Write a starter home with `cascade init DIR`, then work in"
            f" it, set {HOME_VARIABLE} to it, or pass --home."
        )
    return Home(path)


def starter_parts() -> dict[str, Path]:
    """The directories of the starter home: packed inside the wheel, or the repository's own in a source checkout.

    Raises:
        HomeNotFound: this installation carries neither.
    """
    package = Path(str(importlib.resources.files("gateway")))
    for root in (package / "starter", package.parent):
        if all((root / part).is_dir() for part in STARTER_PARTS):
            return {part: root / part for part in STARTER_PARTS}
    raise HomeNotFound("this installation carries no starter home: install the cascade-gateway wheel again")


def write_starter(target: Path) -> Home:
    """Write the starter home to ``target``, which may exist but must hold neither ``rules/`` nor ``models/``.

    Raises:
        InvalidRequest: ``target`` is a file, or holds either already; nothing is overwritten.
    """
    target = target.expanduser().absolute()
    if target.exists() and not target.is_dir():
        raise InvalidRequest(f"{target} is not a directory")
    for part in STARTER_PARTS:
        if (target / part).exists():
            raise InvalidRequest(f"{target / part} is there already; nothing was written")
    sources = starter_parts()
    for part in reversed(STARTER_PARTS):  # rules/ last: it is what makes a directory a home
        shutil.copytree(sources[part], target / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return Home(target)
