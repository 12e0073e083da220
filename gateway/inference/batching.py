"""The queue before a model tier: bounded, batched by token budget, and rid of entries nobody waits for any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from gateway.document import Document, TierName, TierOutput
from gateway.errors import TierUnavailable
from gateway.telemetry.logs import TRACE_PARENT
from gateway.telemetry.spans import TRACER, Tracer
from gateway.tiers.base import Tier

#: Why a queue let a request go without an answer: it was ``full``; the wait was expected to exceed the ``deadline``;
#: the deadline passed while it waited (``expired``); its client ``left``.
Refusal = Literal["full", "deadline", "expired", "left"]
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)

#: ``detail`` of the error with which a full queue refuses.
FULL = {"reason": "full"}
#: ``detail`` of the error with which work that gives way is refused while requests are before it.
BUSY = {"reason": "busy"}
#: Characters of a token, roughly, in the languages models here were trained on. Texts are counted before they are
#: tokenised: tokenising is the lane's work.
_CHARACTERS_PER_TOKEN = 2.5
#: Of a padded batch at most this share may be padding.
_MOST_PADDING = 0.25
#: Weight of the newest observation in running means.
_NEWEST = 0.2


class QueueListener(Protocol):
    """Told what happens in queues, from any thread."""

    def queue_depth(self, tier: TierName, depth: int) -> None:
        """Requests waiting for a tier or being answered by it."""

    def queue_batch(self, tier: TierName, size: int, waited: Sequence[float]) -> None:
        """A batch of ``size`` documents starts; how many seconds each waited."""

    def queue_refused(self, tier: TierName, reason: Refusal) -> None:
        """A request goes without an answer."""


class Silence:
    """A listener that does nothing."""

    def queue_depth(self, tier: TierName, depth: int) -> None: ...

    def queue_batch(self, tier: TierName, size: int, waited: Sequence[float]) -> None: ...

    def queue_refused(self, tier: TierName, reason: Refusal) -> None: ...


def gives_way(tier: TierName, depth: int, retry_after: float | None = None) -> TierUnavailable:
    """The error for work that gives way to the ``depth`` requests a tier has before it."""
    return TierUnavailable(f"{tier} has others before it: {depth}", detail=BUSY, retry_after=retry_after)


@dataclass(eq=False)
class Entry:
    """One document that waits for a model; ``deadline`` and ``since`` are on the clock ``time.monotonic``. Whoever
    makes it is traced by ``tracer``, in the span ``trace_parent``."""

    model: Tier
    document: Document
    fields: tuple[str, ...]
    deadline: float | None = None
    since: float = field(default_factory=time.monotonic)
    future: Future[TierOutput] = field(default_factory=Future)
    tracer: Tracer | None = field(default_factory=TRACER.get)
    trace_parent: str | None = field(default_factory=TRACE_PARENT.get)

    @property
    def tokens(self) -> int:
        """Tokens of the document, estimated from its length."""
        return 2 + int(len(self.document.text) / _CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Limits:
    """How long a queue may grow, and how batches form.

    ``waiting``: requests waiting or being answered. ``batch_tokens``: padded tokens of a batch. ``max_wait``: seconds a
    batch may wait for company; it does so only while requests come faster than that.
    """

    waiting: int = 64
    batch_tokens: int = 256
    max_wait: float = 0.002


class TierQueue:
    """The queue of one tier, between any number of submitting threads and its lanes.

    Args:
        tier: its name, for messages and the listener.
        lanes: how many batches are worked on at a time.
    """

    def __init__(
        self, tier: TierName, limits: Limits | None = None, *, lanes: int = 1, listener: QueueListener | None = None
    ) -> None:
        self._tier = tier
        self._limits = limits or Limits()
        self._lanes = lanes
        self._listener: QueueListener = listener or Silence()
        self._waiting: list[Entry] = []
        self._running: list[Entry] = []
        self._condition = threading.Condition(threading.RLock())
        self._closed = False
        self._last_arrival = float("-inf")
        self._gap = float("inf")
        self._seconds_per_token: float | None = None

    @property
    def depth(self) -> int:
        """Requests waiting or being answered."""
        return len(self._waiting) + len(self._running)

    def expected_wait(self, tokens: int = 0) -> float:
        """Seconds until a document of ``tokens`` that came now would be answered; 0 where nothing is known yet."""
        with self._condition:
            # Of what is being worked on, half is done on average.
            before = sum(entry.tokens for entry in self._waiting) + sum(entry.tokens for entry in self._running) / 2
            return (before / self._lanes + tokens) * (self._seconds_per_token or 0.0)

    def submit(self, entries: Sequence[Entry], most_before: int | None = None) -> None:
        """Queue entries that belong together: all or none; with ``most_before``, only while no more than so many others
        are waiting or being answered.

        Raises:
            TierUnavailable: the queue is full, others are before them, or the answer would come after the deadline.
        """
        with self._condition:
            if self._closed:
                raise TierUnavailable(f"{self._tier} is shutting down")
            if most_before is not None and self.depth > most_before:
                raise gives_way(self._tier, self.depth, self.expected_wait())
            if self.depth >= self._limits.waiting:
                self._listener.queue_refused(self._tier, "full")
                raise TierUnavailable(
                    f"{self._tier} is busy: {self.depth} requests are waiting for it",
                    detail=FULL,
                    retry_after=self.expected_wait(),
                )
            for entry in entries:
                self._check_deadline(entry)
            self._note_arrival()
            self._waiting.extend(entries)
            self._tell_depth()
            self._condition.notify(len(entries))
        for entry in entries:
            entry.future.add_done_callback(lambda future, entry=entry: self._left(entry, future))  # type: ignore[misc]

    def _note_arrival(self) -> None:
        now = time.monotonic()
        gap = now - self._last_arrival
        # After a pause longer than any patience, what was before says nothing any more.
        self._gap = gap if gap > 1.0 or self._gap > 1.0 else self._gap + _NEWEST * (gap - self._gap)
        self._last_arrival = now

    def _check_deadline(self, entry: Entry) -> None:
        # An idle tier is always tried: otherwise one slow answer could make it refuse everybody for ever.
        if entry.deadline is None or not self.depth:
            return
        expected = self.expected_wait(entry.tokens)
        if time.monotonic() + expected > entry.deadline:
            self._listener.queue_refused(self._tier, "deadline")
            raise TierUnavailable(
                f"{self._tier} is busy: its answer is expected in {expected:.2f} s, after the deadline",
                retry_after=expected,
            )

    def _left(self, entry: Entry, future: Future[TierOutput]) -> None:
        """Drop a waiting entry whose future was cancelled."""
        if future.cancelled():
            with self._condition:
                if entry in self._waiting:
                    self._waiting.remove(entry)
                    self._listener.queue_refused(self._tier, "left")
                    self._tell_depth()

    def take(self) -> list[Entry] | None:
        """The next batch, all of one model; waits for one. ``None`` once the queue is closed. Call :meth:`done` after.

        The oldest entry comes first, with those of about its length.
        """
        with self._condition:
            while not self._closed:
                self._expire()
                if not self._waiting:
                    self._condition.wait()
                    continue
                patience = self._patience()
                if patience > 0:
                    self._condition.wait(patience)
                    continue
                batch = [entry for entry in self._form() if entry.future.set_running_or_notify_cancel()]
                if not batch:
                    continue
                now = time.monotonic()
                self._running += batch
                self._listener.queue_batch(self._tier, len(batch), [now - entry.since for entry in batch])
                return batch
            return None

    def _expire(self) -> None:
        now = time.monotonic()
        for entry in [entry for entry in self._waiting if entry.deadline is not None and entry.deadline <= now]:
            self._waiting.remove(entry)
            self._listener.queue_refused(self._tier, "expired")
            self._tell_depth()
            if entry.future.set_running_or_notify_cancel():
                entry.future.set_exception(TierUnavailable(f"{self._tier}: the deadline passed before it was its turn"))

    def _patience(self) -> float:
        """Seconds the batch that could start now should wait for company."""
        head = self._waiting[0]
        left = self._limits.max_wait - (time.monotonic() - head.since)
        together = sum(entry.tokens for entry in self._waiting)
        has_room = together + head.tokens <= self._limits.batch_tokens
        return left if has_room and self._gap < self._limits.max_wait else 0.0

    def _form(self) -> list[Entry]:
        head = self._waiting[0]
        others = [entry for entry in self._waiting[1:] if entry.model is head.model]
        others.sort(key=lambda entry: abs(entry.tokens - head.tokens))  # stable: the older of equals first
        batch, longest, total = [head], head.tokens, head.tokens
        for entry in others:
            grown, sum_of = max(longest, entry.tokens), total + entry.tokens
            padded = grown * (len(batch) + 1)
            if padded > self._limits.batch_tokens or padded - sum_of > _MOST_PADDING * padded:
                break
            batch.append(entry)
            longest, total = grown, sum_of
        chosen = set(map(id, batch))
        self._waiting = [entry for entry in self._waiting if id(entry) not in chosen]
        return batch

    def done(self, batch: Sequence[Entry], seconds: float | None) -> None:
        """A batch that :meth:`take` gave was answered in so many seconds (``None``: it failed)."""
        with self._condition:
            for entry in batch:
                self._running.remove(entry)
            if seconds is not None:
                self.observe(seconds, sum(entry.tokens for entry in batch))
            self._tell_depth()

    def observe(self, seconds: float, tokens: int) -> None:
        """Take note that a lane needs ``seconds`` for ``tokens``."""
        with self._condition:
            rate = seconds / max(1, tokens)
            known = self._seconds_per_token
            self._seconds_per_token = rate if known is None else known + _NEWEST * (rate - known)

    def close(self) -> None:
        """Let :meth:`take` return ``None`` and cancel what waits."""
        with self._condition:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._tell_depth()
            self._condition.notify_all()
        for entry in waiting:
            entry.future.cancel()

    def _tell_depth(self) -> None:
        self._listener.queue_depth(self._tier, self.depth)
