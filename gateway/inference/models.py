"""The models of a home's tasks: loaded, replaced while they serve, and the replaced ones kept for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, get_args

from gateway.document import TierName
from gateway.errors import CascadeError, TaskFileError, TierUnavailable, UnknownTask
from gateway.home import Home
from gateway.inference.base import TierStatus, epoch_of
from gateway.task import TaskSpec
from gateway.telemetry.logs import facts
from gateway.tiers.base import AsyncTier, Tier, is_async
from gateway.tiers.large.remote.configuration import remote_path

#: A tier, or ``None`` and a status that says why there is none.
LoadedTier = tuple[Tier | AsyncTier | None, TierStatus]
#: Loads the model tiers of one task; missing models are statuses, not errors.
Loader = Callable[[Home, TaskSpec], Mapping[TierName, LoadedTier]]

#: Seconds a replaced model still answers those who name its version: time for every worker to take up the new policy.
RETIREMENT = 30.0
#: What became of model files that changed: others are in force now, or they cannot be used.
ModelReload = Literal["replaced", "refused"]
MODEL_RELOADS: tuple[ModelReload, ...] = get_args(ModelReload)
_log = logging.getLogger(__name__)


class ModelListener(Protocol):
    """Told of model files that change, from any thread."""

    def models_changed(self, task: str, result: ModelReload) -> None:
        """A task's model files changed, and this became of them."""

    def models_refused(self, task: str, tiers: int) -> None:
        """So many tiers of a task go on as they were because newer files of them cannot be used."""


class _Silence:
    def models_changed(self, task: str, result: ModelReload) -> None: ...

    def models_refused(self, task: str, tiers: int) -> None: ...


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
        listener: told of files that change.

    Raises:
        TaskFileError: a ``task.yaml`` is wrong. A missing model is no error but a :class:`TierStatus`.
    """

    def __init__(
        self, home: Home, tasks: Sequence[str] | None, load: Loader, listener: ModelListener | None = None
    ) -> None:
        self._home = home
        self._names = None if tasks is None else tuple(tasks)
        self._load = load
        self._listener: ModelListener = listener or _Silence()
        self._loading = threading.Lock()
        self._retired: dict[tuple[str, TierName, str], _Retired] = {}
        self._ended: deque[AsyncTier] = deque()  # given to nobody any more; see take_ended
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
        loaded = dict(self._load(self._home, self._home.unpriced_task(name)))
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
                taken = self._take_up(name, seen)
                if taken is None:
                    continue  # at the next look
                replaced |= taken
                self._seen[name] = seen
            for name in set(self._seen) - set(self._wanted()):
                del self._seen[name]
                self._replace(name, {})
                self._current = {task: tiers for task, tiers in self._current.items() if task != name}
                self._listener.models_refused(name, 0)
                replaced = True
            self._forget_retired()
            self.epoch = self._epoch()
            return replaced

    def _take_up(self, name: str, seen: object) -> bool | None:
        """Load a task's files, which changed, and put them in force; whether anything was replaced. ``None`` where they
        changed again meanwhile: what was loaded may be half of one version and half of another."""
        replaced = False
        try:
            loaded = self._loaded(name)
            if models_on_disk(self._home, name) != seen:
                for model, _ in loaded.values():
                    self._end(model)
                return None
        except TaskFileError as error:  # said by whoever publishes the task's rules
            _log.error("models cannot be loaded", extra=facts(task=name, code=error.code))
        except CascadeError as error:
            _log.error("models cannot be loaded", extra=facts(task=name, code=error.code, problem=error.message))
            self._refuse(name, error.message.replace(f"{self._home.path}/", ""))
        else:
            replaced = self._replace(name, loaded)
        refused = sum(status.refused is not None for _, status in self._current.get(name, {}).values())
        self._listener.models_refused(name, refused)
        if refused:
            self._listener.models_changed(name, "refused")
        elif replaced:
            self._listener.models_changed(name, "replaced")
        return replaced

    def _refuse(self, name: str, why: str) -> None:
        """All tiers of a task go on as they were."""
        if name in self._current:
            kept = {tier: (model, replace(status, refused=why)) for tier, (model, status) in self._task(name).items()}
            self._current = {**self._current, name: kept}

    def _replace(self, name: str, loaded: dict[TierName, LoadedTier]) -> bool:
        before = self._current.get(name, {})
        for tier, (model, status) in before.items():
            if model is not None and status.version is not None:
                loaded.update(self._instead(name, tier, model, status, loaded.get(tier)))
        changed = False
        for tier, (model, status) in loaded.items():
            former_model, former = before.get(tier, (None, None))
            if model is not former_model or former is None or replace(former, refused=status.refused) != status:
                changed = True
                _log.info("model loaded", extra=facts(task=name, tier=tier, version=status.version))
        self._current = {**self._current, name: loaded}  # one assignment: requests see the old or the new, never half
        return changed

    def _instead(
        self, name: str, tier: TierName, model: Tier | AsyncTier, status: TierStatus, after: LoadedTier | None
    ) -> dict[TierName, LoadedTier]:
        """What takes the place of ``model``; nothing where that is what was loaded."""
        if after is not None and after[0] is None:
            _log.error("a model cannot be replaced", extra=facts(task=name, tier=tier, why=after[1].problem))
            return {tier: (model, replace(status, refused=after[1].problem))}
        if after is None or after[1].version != status.version:
            if status.version is not None:
                self._retire(name, tier, status.version, model)
            return {}
        if getattr(after[0], "setup", None) == getattr(model, "setup", None):
            # The same model, set up as it was: the one in use stays.
            self._end(after[0])
            return {tier: (model, after[1])}
        self._end(model)
        return {}

    def _retire(self, name: str, tier: TierName, version: str, model: Tier | AsyncTier) -> None:
        former = self._retired.get((name, tier, version))
        if former is not None:
            self._end(former.tier)
        self._retired[name, tier, version] = _Retired(model, time.monotonic() + RETIREMENT)

    def _end(self, model: Tier | AsyncTier | None) -> None:
        if model is not None and is_async(model):
            self._ended.append(model)

    def take_ended(self) -> list[AsyncTier]:
        """The tiers that were replaced since the last call and can be closed when what they have under way is done.
        Never waits."""
        ended: list[AsyncTier] = []
        while self._ended:
            ended.append(self._ended.popleft())
        return ended

    def _forget_retired(self) -> None:
        now = time.monotonic()
        for retired in self._retired.values():
            if retired.until <= now:
                self._end(retired.tier)
        self._retired = {key: kept for key, kept in self._retired.items() if kept.until > now}

    def forget_retired(self) -> None:
        """Let go of replaced models whose time is over."""
        with self._loading:
            self._forget_retired()


def models_on_disk(home: Home, task: str) -> object:
    """What tells whether a task's model files changed: names, sizes and times, not content. Never raises."""
    root = home.models / task
    wanted = [home.rules / task / "task.yaml", root / "forms.json", root / "windows.json"]
    if remote_path(root).exists():
        wanted.append(home.upstreams)
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
