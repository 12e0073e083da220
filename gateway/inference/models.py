"""The models of a home's tasks: loaded, replaced while they serve, and the replaced ones kept for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.document import TierName
from gateway.errors import CascadeError, TierUnavailable, UnknownTask
from gateway.home import Home
from gateway.inference.base import TierStatus, epoch_of
from gateway.task import TaskSpec
from gateway.telemetry.logs import facts
from gateway.tiers.base import AsyncTier, Tier

#: A tier, or ``None`` and a status that says why there is none.
LoadedTier = tuple[Tier | AsyncTier | None, TierStatus]
#: Loads the model tiers of one task; missing models are statuses, not errors.
Loader = Callable[[Home, TaskSpec], Mapping[TierName, LoadedTier]]

#: Seconds a replaced model still answers those who name its version: time for every worker to take up the new policy.
RETIREMENT = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Retired:
    tier: Tier | AsyncTier
    until: float


class Models:
    """Every task's model tiers.

    Args:
        home: where the models lie.
        tasks: names of the tasks; ``None``: all there are, looked up again at each reload.
        load: how a task's tiers are loaded.

    Raises:
        TaskFileError: a ``task.yaml`` is wrong. A missing model is no error but a :class:`TierStatus`.
    """

    def __init__(self, home: Home, tasks: Sequence[str] | None, load: Loader) -> None:
        self._home = home
        self._names = None if tasks is None else tuple(tasks)
        self._load = load
        self._loading = threading.Lock()
        self._retired: dict[tuple[str, TierName, str], _Retired] = {}
        self._seen: dict[str, object] = {}
        self._current: Mapping[str, Mapping[TierName, LoadedTier]] = {}
        for name in self._wanted():
            seen = models_on_disk(home, name)
            self._current = {**self._current, name: self._loaded(name)}
            self._seen[name] = seen
        self.epoch = self._epoch()

    def _wanted(self) -> tuple[str, ...]:
        if self._names is not None:
            return self._names
        found = self._home.tasks()
        # An edit that makes a task's file name another task is a mistake, not the end of the task.
        spoilt = [name for name in self._current if name not in found]
        return (*found, *(name for name in spoilt if (self._home.rules / name / "task.yaml").is_file()))

    def _loaded(self, name: str) -> dict[TierName, LoadedTier]:
        loaded = dict(self._load(self._home, self._home.task(name)))
        for model, _ in loaded.values():
            warm_up = getattr(model, "warm_up", None)  # the runtime's first passes are slow
            if warm_up is not None:
                warm_up()
        return loaded

    def _epoch(self) -> str:
        return epoch_of({name: self.status(name) for name in self._current})

    def status(self, task: str) -> dict[TierName, TierStatus]:
        """The current state of a task's tiers.

        Raises:
            UnknownTask: no such task was loaded.
        """
        return {tier: status for tier, (_, status) in self._task(task).items()}

    def find(self, task: str, tier: TierName, version: str | None) -> Tier | AsyncTier:
        """The current model of a tier, or the one of ``version``.

        Raises:
            UnknownTask: no such task was loaded.
            TierUnavailable: there is no such model now.
        """
        model, status = self._task(task).get(tier, (None, TierStatus(None, f"{task} has no {tier} tier")))
        if version is None or status.version == version:
            if model is None:
                raise TierUnavailable(status.problem or f"{tier} is not loaded")
            return model
        retired = self._retired.get((task, tier, version))
        if retired is None:
            raise TierUnavailable(
                f"{tier} was replaced by another model" if model else status.problem or f"{tier} is not loaded"
            )
        return retired.tier

    def _task(self, name: str) -> Mapping[TierName, LoadedTier]:
        try:
            return self._current[name]
        except KeyError:
            raise UnknownTask(f"no models were loaded for task {name[:100]!r}") from None

    @property
    def tiers(self) -> list[Tier | AsyncTier]:
        """All models that can still be asked."""
        current = [model for tiers in self._current.values() for model, _ in tiers.values() if model is not None]
        return current + [retired.tier for retired in self._retired.values()]

    def changes(self) -> object | None:
        """What the disk holds where that is not what was loaded (comparable with ``==``); ``None`` where it is."""
        found = {name: models_on_disk(self._home, name) for name in self._wanted()}
        return None if found == self._seen else found

    def reload(self) -> bool:
        """Load what has changed on disk and put it in place of what was; whether anything was replaced.

        Blocks for as long as loading takes, so run it on a thread of its own; requests are answered meanwhile. A tier
        whose files cannot be used keeps its former model.
        """
        with self._loading:
            replaced = False
            for name in self._wanted():
                seen = models_on_disk(self._home, name)
                if self._seen.get(name) == seen:
                    continue
                try:
                    loaded = self._loaded(name)
                except CascadeError as error:
                    _log.error("models cannot be loaded", extra=facts(task=name, code=error.code))
                    self._seen[name] = seen
                    continue
                replaced |= self._replace(name, loaded)
                self._seen[name] = seen
            for name in set(self._seen) - set(self._wanted()):
                del self._seen[name]
                self._replace(name, {})
                self._current = {task: tiers for task, tiers in self._current.items() if task != name}
                replaced = True
            self._forget_retired()
            self.epoch = self._epoch()
            return replaced

    def _replace(self, name: str, loaded: dict[TierName, LoadedTier]) -> bool:
        before = self._current.get(name, {})
        until = time.monotonic() + RETIREMENT
        changed = False
        for tier, (model, status) in before.items():
            after, after_status = loaded.get(tier, (None, None))
            if model is None or status.version is None:
                continue
            if after_status is not None and after_status.version == status.version:
                loaded[tier] = (model, status)  # the same model: the one in use stays
            elif after is None and after_status is not None:
                _log.error("a model cannot be replaced", extra=facts(task=name, tier=tier, why=after_status.problem))
                loaded[tier] = (model, status)
            else:
                self._retired[name, tier, status.version] = _Retired(model, until)
        for tier, (_, status) in loaded.items():
            if before.get(tier, (None, None))[1] != status:
                changed = True
                _log.info("model loaded", extra=facts(task=name, tier=tier, version=status.version))
        self._current = {**self._current, name: loaded}  # one assignment: requests see the old or the new, never half
        return changed

    def _forget_retired(self) -> None:
        now = time.monotonic()
        self._retired = {key: kept for key, kept in self._retired.items() if kept.until > now}

    def forget_retired(self) -> None:
        """Let go of replaced models whose time is over."""
        with self._loading:
            self._forget_retired()


def models_on_disk(home: Home, task: str) -> object:
    """What tells whether a task's model files changed: names, sizes and times, not content. Never raises."""
    root = home.models / task
    wanted = [home.rules / task / "task.yaml", root / "forms.json", root / "windows.json"]
    for directory in (root / "student", root / "large"):
        wanted += _files(directory)
    return tuple((str(path), _state(path)) for path in wanted)


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.rglob("*") if not path.name.startswith("."))
    except OSError:
        return []


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
