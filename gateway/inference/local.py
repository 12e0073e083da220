"""Model tiers in this process: each tier's queue and lanes, and the models they run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gateway.cost.metering import LoopMeter
from gateway.document import Document, TierName, TierOutput
from gateway.errors import CascadeError, TierUnavailable
from gateway.home import Home
from gateway.inference.base import FAILED, TierStatus
from gateway.inference.batching import Entry, Limits, QueueListener, Silence, TierQueue, gives_way
from gateway.inference.lanes import Lanes
from gateway.inference.models import LoadedTier, Loader, ModelListener, Models
from gateway.inference.shares import Share
from gateway.shared.queues import QueueBoard
from gateway.task import TaskSpec
from gateway.tiers.base import AsyncTier, Tier, is_async

if TYPE_CHECKING:
    from gateway.tiers.large.remote.listener import RemoteListener
    from gateway.tiers.large.remote.upstreams import Upstreams

__all__ = ["MODEL_TIERS", "LoadedTier", "Loader", "LocalInference", "model_loader"]

MODEL_TIERS: tuple[TierName, ...] = ("student", "large")
_log = logging.getLogger(__name__)


def model_loader(
    *,
    threads: int = 0,
    large: str = "int8",
    shares: Mapping[TierName, Share] | None = None,
    batch_tokens: int | None = None,
    remote_listener: RemoteListener | None = None,
) -> Loader:
    """The loader of real models.

    Args:
        threads: CPU threads of a forward pass, for one caller at a time; 0: the runtime decides.
        large: how the large tier computes (``CASCADE_LARGE``).
        shares: instead of ``threads``, how many lanes each tier has and on how many threads each computes.
        batch_tokens: most padded tokens of a forward pass.
        remote_listener: told of calls to remote large models.
    """
    upstreams: dict[Path, Upstreams] = {}

    def load(home: Home, task: TaskSpec) -> Mapping[TierName, LoadedTier]:
        # Imported here: onnxruntime is only needed where models run.
        from gateway.tiers.large.remote.upstreams import Upstreams
        from gateway.tiers.loading import load_model_tiers
        from gateway.tiers.model import BATCH_TOKENS

        path = home.upstreams
        if path not in upstreams:
            upstreams[path] = Upstreams(path, listener=remote_listener)
        return load_model_tiers(
            home,
            task,
            threads=threads,
            large_mode=large,
            upstreams=upstreams[path],
            shares=shares,
            batch_tokens=batch_tokens or BATCH_TOKENS,
        )

    return load


class _Posting:
    """A queue listener that posts depths on a board, and passes everything on."""

    def __init__(self, listener: QueueListener, board: QueueBoard, limit: int) -> None:
        self._listener = listener
        self._board = board
        self.queue_batch = listener.queue_batch
        self.queue_refused = listener.queue_refused
        for tier in MODEL_TIERS:
            board.open_queue(tier, limit)

    def queue_depth(self, tier: TierName, depth: int) -> None:
        """See :class:`gateway.inference.batching.QueueListener`."""
        self._board.post(tier, depth)
        self._listener.queue_depth(tier, depth)


class LocalInference:
    """Loads the model tiers of every task of a home and runs them here (see :class:`gateway.inference.base.Inference`).

    Each tier has its own queue and lanes, so the student never waits behind the large tier. All tasks share a tier's
    lanes. The event loop does none of the work, tokenising included. Tiers that wait for other machines
    (:class:`gateway.tiers.base.AsyncTier`) run on the event loop instead, as many calls at a time as a queue is long.

    Args:
        home: where the models lie.
        tasks: names of the tasks to load; all by default.
        load: how a task's tiers are loaded.
        limits: of each tier's queue.
        shares: lanes of each tier; one by default.
        listener: told what happens in the queues, from any thread.
        model_listener: told what becomes of model files that change.
        board: where other processes see how full the queues are.
        niceness: how much less the system favours the student's lanes than the event loop (0 to 19); twice as much for
            the large tier's.

    Raises:
        TaskFileError: a ``task.yaml`` is wrong. A missing model is no error but a :class:`TierStatus`.
    """

    def __init__(
        self,
        home: Home,
        *,
        tasks: Sequence[str] | None = None,
        load: Loader | None = None,
        limits: Limits | None = None,
        shares: Mapping[TierName, Share] | None = None,
        listener: QueueListener | None = None,
        model_listener: ModelListener | None = None,
        board: QueueBoard | None = None,
        niceness: int = 0,
    ) -> None:
        self._models = Models(home, tasks, load or model_loader(), model_listener)
        limits, shares = limits or Limits(), shares or {}
        self._limits = limits
        self._meter: LoopMeter | None = None
        self._listener: QueueListener = listener or Silence()
        if board is not None:
            self._listener = _Posting(self._listener, board, limits.waiting)
        self._calls: dict[TierName, int] = dict.fromkeys(MODEL_TIERS, 0)
        #: Calls under way of each tier that waits for others, and those of them that nobody is given any more.
        self._under_way: Counter[AsyncTier] = Counter()
        self._ended: list[AsyncTier] = []
        self._queues: dict[TierName, TierQueue] = {}
        self._lanes: dict[TierName, Lanes] = {}
        for steps, tier in enumerate(MODEL_TIERS, 1):
            count = shares.get(tier, Share()).lanes
            self._queues[tier] = TierQueue(tier, limits, lanes=count, listener=self._listener)
            self._lanes[tier] = Lanes(tier, self._queues[tier], count, niceness=min(19, steps * niceness))

    @property
    def depths(self) -> dict[TierName, int]:
        """Requests each tier has before it now."""
        return {tier: queue.depth + self._calls[tier] for tier, queue in self._queues.items()}

    def account_with(self, meter: LoopMeter) -> None:
        """Tell ``meter`` of work that tiers do on the event loop; they account for it themselves."""
        self._meter = meter

    @property
    def epoch(self) -> str | None:
        """See :attr:`gateway.inference.base.Inference.epoch`."""
        return self._models.epoch

    async def status(self, task: str) -> Mapping[TierName, TierStatus]:
        """See :meth:`gateway.inference.base.Inference.status`.

        Raises:
            UnknownTask: no such task was loaded.
        """
        return self._models.status(task)

    async def propose(
        self,
        task: str,
        tier: TierName,
        documents: Sequence[Document],
        fields: Sequence[str],
        *,
        deadline: float | None = None,
        version: str | None = None,
        most_before: int | None = None,
    ) -> list[TierOutput]:
        """See :meth:`gateway.inference.base.Inference.propose`. Cancelling it takes work that has not begun out of the
        queue.

        Raises:
            UnknownTask: no such task was loaded.
            TierUnavailable: the tier is not there, is of another version, is busy, or failed.
        """
        model = self._models.find(task, tier, version)
        if is_async(model):
            return await self._call(model, documents, fields, deadline, most_before)
        until = None if deadline is None else time.monotonic() + deadline
        entries = [Entry(cast(Tier, model), document, tuple(fields), until) for document in documents]
        self._queues[tier].submit(entries, most_before)
        answers = [asyncio.wrap_future(entry.future) for entry in entries]
        try:
            return list(await asyncio.gather(*answers))
        finally:
            for answer in answers:
                answer.cancel()  # when one failed, nobody waits for the others

    async def _call(
        self,
        model: AsyncTier,
        documents: Sequence[Document],
        fields: Sequence[str],
        deadline: float | None,
        most_before: int | None,
    ) -> list[TierOutput]:
        tier = model.name
        if most_before is not None and self._calls[tier] > most_before:
            raise gives_way(tier, self._calls[tier])
        if self._calls[tier] >= self._limits.waiting:
            self._listener.queue_refused(tier, "full")
            raise TierUnavailable(f"{tier} is busy: {self._calls[tier]} requests are waiting for it")
        self._calls[tier] += 1
        self._under_way[model] += 1
        self._listener.queue_depth(tier, self.depths[tier])
        try:
            outputs = await model.propose(documents, fields, deadline=deadline)
            if self._meter is not None:
                self._meter.exclude(sum(output.work.cpu_seconds for output in outputs))
            return outputs
        except CascadeError:
            raise
        except Exception as error:  # whatever a client raises, the cascade goes on without the tier
            _log.exception("tier failed")
            raise TierUnavailable(f"{tier} failed ({type(error).__name__})", detail=FAILED) from error
        finally:
            self._calls[tier] -= 1
            self._under_way[model] -= 1
            self._listener.queue_depth(tier, self.depths[tier])

    def full_for(self, tier: TierName) -> float:
        """See :meth:`gateway.inference.base.Inference.full_for`."""
        queue = self._queues[tier]
        return 0.0 if queue.depth < self._limits.waiting else max(0.001, queue.expected_wait())

    async def reload(self) -> bool:
        """Load what has changed on disk beside what is in use, then swap; whether anything was replaced.

        Replaced models go on answering those who name their version for a while (see
        :class:`gateway.inference.base.Inference`).
        """
        replaced = await asyncio.to_thread(self._models.reload)
        await self._close_ended()
        return replaced

    async def _close_ended(self) -> None:
        """Close tiers that were replaced, once their last call has come to its end."""
        self._ended += self._models.take_ended()
        for tier in [tier for tier in self._ended if not self._under_way[tier]]:
            self._ended.remove(tier)
            del self._under_way[tier]
            await tier.close()

    async def watch(self, seconds: float) -> None:
        """Reload when model files change; looks every ``seconds``, and acts once they stay the same for as long.

        Never returns; cancel it.
        """
        before: object = None
        while True:
            await asyncio.sleep(seconds)
            try:
                before = await self._look(before)
            except Exception:  # noqa: BLE001
                # The models in use go on, and the next look may go well: the disk or the open files may be full now.
                _log.exception("looking for changed models failed")

    async def _look(self, before: object) -> object:
        """Look for changed files once; what was found, to be compared with what the next look finds."""
        await asyncio.to_thread(self._models.forget_retired)
        await self._close_ended()
        found = await asyncio.to_thread(self._models.changes)
        # Files are copied one after the other: what has not settled is not loaded.
        if found is not None and found == before:
            await self.reload()
        return found

    async def close(self) -> None:
        """Drop what waits, let the threads end, and close connections. Work under way is not waited for."""
        for queue in self._queues.values():
            queue.close()
        current = [model for model in self._models.tiers if is_async(model)]
        for model in {*current, *self._ended, *self._models.take_ended()}:
            await model.close()
