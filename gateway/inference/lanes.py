"""Lanes: threads that take batches from a tier's queue and run its models."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeGuard

from gateway.document import Document, TierName, TierOutput
from gateway.errors import CascadeError, TierUnavailable
from gateway.inference.base import FAILED
from gateway.inference.batching import Entry, TierQueue
from gateway.tiers.base import Tier

_log = logging.getLogger(__name__)


class MixedTier(Tier, Protocol):
    """A tier whose batches may hold documents that are asked for different fields."""

    def propose_each(self, documents: Sequence[Document], fields: Sequence[Sequence[str]]) -> list[TierOutput]:
        """As :meth:`gateway.tiers.base.Tier.propose`, with the fields of each document."""
        ...


class Lanes:
    """``count`` threads that answer ``queue``'s batches until it is closed.

    The threads are daemons: a forward pass cannot be interrupted, and nobody waits for one at the end.

    Args:
        niceness: how much less the system favours these threads than others (0 to 19). The event loop in the same
            process, and the HTTP workers, then get a CPU at once when they need one.
    """

    def __init__(self, tier: TierName, queue: TierQueue, count: int = 1, *, niceness: int = 0) -> None:
        self._queue = queue
        self._niceness = niceness
        self._threads = [
            threading.Thread(target=self._run, name=f"{tier}-{number}", daemon=True) for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        if self._niceness and hasattr(os, "setpriority"):
            # On Linux a priority belongs to a thread, and its native id names it.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)
        accounted = time.thread_time()
        while (batch := self._queue.take()) is not None:
            started, before = time.perf_counter(), time.thread_time()
            outputs = answer_each(batch)
            failed = any(isinstance(output, TierUnavailable) for output in outputs)
            self._queue.done(batch, None if failed else time.perf_counter() - started)
            _trace(batch, started)
            if not failed:
                # Queueing before this batch, and whatever failed since the last one that did not.
                outputs = [_with_overhead(output, (before - accounted) / len(outputs)) for output in outputs]
                accounted = time.thread_time()
            for entry, output in zip(batch, outputs, strict=True):
                if isinstance(output, TierUnavailable):
                    entry.future.set_exception(output)
                else:
                    entry.future.set_result(output)
            del batch, outputs, entry, output  # a waiting lane keeps no document

    def join(self, seconds: float) -> bool:
        """Wait until all threads have ended, at most so long; whether they have."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


def _trace(batch: Sequence[Entry], started: float) -> None:
    """A span of the batch in the trace of each request that shares it."""
    traced = [entry for entry in batch if entry.tracer is not None and entry.trace_parent is not None]
    if not traced:
        return
    ended = time.time_ns()
    began = ended - int((time.perf_counter() - started) * 1e9)
    tokens = sum(entry.tokens for entry in batch)
    for entry in traced:
        if entry.tracer is not None and entry.trace_parent is not None:
            entry.tracer.past(
                f"batch {entry.model.name}",
                entry.trace_parent,
                began,
                ended,
                batch_size=len(batch),
                batch_tokens=tokens,
                tokens=entry.tokens,
                waited_seconds=max(0.0, time.monotonic() - entry.since - (ended - began) / 1e9),
            )


def _with_overhead(output: TierOutput | TierUnavailable, seconds: float) -> TierOutput | TierUnavailable:
    if isinstance(output, TierUnavailable):
        return output
    work = output.work
    return replace(output, work=replace(work, overhead_seconds=work.overhead_seconds + seconds))


def answer_each(batch: Sequence[Entry]) -> list[TierOutput | TierUnavailable]:
    """Answer a batch; where it fails, each document alone, so that one does not spoil the others."""
    try:
        return list(answer(batch))
    except TierUnavailable as error:
        if len(batch) == 1:
            return [error]
    return [output for entry in batch for output in answer_each([entry])]


def answer(batch: Sequence[Entry]) -> list[TierOutput]:
    """Run a batch's model.

    Raises:
        TierUnavailable: whatever the model raised.
    """
    model = batch[0].model
    try:
        outputs = _propose(model, batch)
    except CascadeError as error:
        raise TierUnavailable(f"{model.name}: {error.message}") from error
    except Exception as error:  # whatever a runtime raises, the cascade goes on without the tier
        _log.exception("tier failed")
        raise TierUnavailable(f"{model.name} failed ({type(error).__name__})", detail=FAILED) from error
    if len(outputs) != len(batch):
        raise TierUnavailable(f"{model.name} gave {len(outputs)} outputs for {len(batch)} documents")
    return outputs


def _propose(model: Tier, batch: Sequence[Entry]) -> list[TierOutput]:
    documents = [entry.document for entry in batch]
    if _is_mixed(model):
        return model.propose_each(documents, [entry.fields for entry in batch])
    if len({entry.fields for entry in batch}) == 1:
        return model.propose(documents, batch[0].fields)
    return [output for entry in batch for output in model.propose([entry.document], entry.fields)]


def _is_mixed(model: Tier) -> TypeGuard[MixedTier]:
    return hasattr(model, "propose_each")
