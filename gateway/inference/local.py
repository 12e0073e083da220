"""Model tiers in this process, each tier on its own thread behind a bounded queue."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from gateway.document import Document, TierName, TierOutput
from gateway.errors import CascadeError, TierUnavailable, UnknownTask
from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.task import TaskSpec
from gateway.tiers.base import Tier

#: A tier, or ``None`` and a status that says why there is none.
LoadedTier = tuple[Tier | None, TierStatus]
#: Loads the model tiers of one task; missing models are statuses, not errors.
Loader = Callable[[Home, TaskSpec], Mapping[TierName, LoadedTier]]
DepthListener = Callable[[TierName, int], None]

MODEL_TIERS: tuple[TierName, ...] = ("student", "large")
QUEUE_LIMIT = 64
_log = logging.getLogger(__name__)


def model_loader(*, threads: int = 0, large: str = "int8") -> Loader:
    """The loader of real models (see :class:`gateway.settings.Settings` for the arguments)."""

    def load(home: Home, task: TaskSpec) -> Mapping[TierName, LoadedTier]:
        # Imported here: onnxruntime is only needed where models run.
        from gateway.tiers.loading import load_model_tiers

        return load_model_tiers(home, task, threads=threads, large_mode=large)

    return load


class Lane:
    """One tier's thread and the requests before it."""

    def __init__(self, tier: TierName, limit: int, on_depth: DepthListener | None) -> None:
        self.tier = tier
        self._limit = limit
        self._on_depth = on_depth
        self._depth = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=tier)

    @property
    def depth(self) -> int:
        """Requests waiting or being answered."""
        return self._depth

    def submit(self, work: Callable[[], list[TierOutput]]) -> Future[list[TierOutput]]:
        """Queue ``work``.

        Raises:
            TierUnavailable: the queue is full.
        """
        with self._lock:
            if self._depth >= self._limit:
                raise TierUnavailable(f"{self.tier} is busy: {self._depth} requests are waiting for it")
            self._change(+1)
        future = self._executor.submit(work)
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: Future[list[TierOutput]]) -> None:
        with self._lock:
            self._change(-1)

    def _change(self, step: int) -> None:
        self._depth += step
        if self._on_depth is not None:
            self._on_depth(self.tier, self._depth)

    def close(self) -> None:
        # Work under way cannot be interrupted; what waits is dropped, and nobody waits for the thread.
        self._executor.shutdown(wait=False, cancel_futures=True)


class LocalInference:
    """Loads the model tiers of every task of a home and runs them here (see :class:`gateway.inference.base.Inference`).

    The student has its own thread, so it never waits behind the large tier. All tasks share a tier's thread: two
    forward passes at a time would only take each other's cores.

    Args:
        home: where the models lie.
        tasks: names of the tasks to load; all by default.
        load: how a task's tiers are loaded.
        queue_limit: requests a tier lets wait.
        on_depth: told a tier's queue depth whenever it changes, from any thread.

    Raises:
        TaskFileError: a ``task.yaml`` is wrong. A missing model is no error but a :class:`TierStatus`.
    """

    def __init__(
        self,
        home: Home,
        *,
        tasks: Sequence[str] | None = None,
        load: Loader | None = None,
        queue_limit: int = QUEUE_LIMIT,
        on_depth: DepthListener | None = None,
    ) -> None:
        load = load or model_loader()
        self._tiers = {name: dict(load(home, home.task(name))) for name in (home.tasks() if tasks is None else tasks)}
        self._lanes = {tier: Lane(tier, queue_limit, on_depth) for tier in MODEL_TIERS}

    @property
    def depths(self) -> dict[TierName, int]:
        """Requests each tier has before it now."""
        return {tier: lane.depth for tier, lane in self._lanes.items()}

    async def status(self, task: str) -> Mapping[TierName, TierStatus]:
        """See :meth:`gateway.inference.base.Inference.status`.

        Raises:
            UnknownTask: no such task was loaded.
        """
        return {tier: status for tier, (_, status) in self._task(task).items()}

    async def propose(
        self, task: str, tier: TierName, documents: Sequence[Document], fields: Sequence[str]
    ) -> list[TierOutput]:
        """See :meth:`gateway.inference.base.Inference.propose`. Cancelling it takes work that has not begun out of the
        queue.

        Raises:
            UnknownTask: no such task was loaded.
            TierUnavailable: the tier is not there, is busy, or failed.
        """
        model, status = self._task(task).get(tier, (None, TierStatus(None, f"{task} has no {tier} tier")))
        if model is None:
            raise TierUnavailable(status.problem or f"{tier} is not loaded")
        loaded = model
        future = self._lanes[tier].submit(lambda: _run(loaded, documents, fields))
        return await asyncio.wrap_future(future)

    def _task(self, name: str) -> dict[TierName, LoadedTier]:
        try:
            return self._tiers[name]
        except KeyError:
            raise UnknownTask(f"no models were loaded for task {name[:100]!r}") from None

    async def close(self) -> None:
        """Drop what waits and let the threads end."""
        for lane in self._lanes.values():
            lane.close()


def _run(model: Tier, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
    try:
        outputs = model.propose(documents, fields)
    except CascadeError as error:
        raise TierUnavailable(f"{model.name}: {error.message}") from error
    except Exception as error:  # whatever a runtime raises, the cascade goes on without the tier
        _log.exception("tier failed")
        raise TierUnavailable(f"{model.name} failed ({type(error).__name__})") from error
    if len(outputs) != len(documents):
        raise TierUnavailable(f"{model.name} gave {len(outputs)} outputs for {len(documents)} documents")
    return outputs
