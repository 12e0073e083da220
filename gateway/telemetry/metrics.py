"""Prometheus metrics of the service; every name and label value is listed in ``docs/metrics.md``.

With several worker processes the environment variable ``PROMETHEUS_MULTIPROC_DIR`` must be set before
``prometheus_client`` is first imported: every process then writes to that directory, and a scrape of any worker
answers for all of them. What a process counted stays when it ends, so that counters never go back; what only holds
while it lives (gauges) is removed by its supervisor.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from gateway.cascade import Status
from gateway.cost.energy import Footprint
from gateway.document import TierName
from gateway.extraction import Outcome
from gateway.inference.batching import Refusal
from gateway.inference.models import ModelReload
from gateway.settings import Settings
from gateway.telemetry.counting import FIELD_OUTCOMES, NO_TIER, OVERHEAD, Counts, FieldOutcome, field_outcome
from gateway.telemetry.exposition import Derived
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.reserving import reserve_metric_files
from gateway.telemetry.spans import TRACER, Span, Tracer, open_tracer

__all__ = [
    "FIELD_OUTCOMES",
    "MULTIPROCESS_VARIABLE",
    "NO_TIER",
    "OTHER",
    "OVERHEAD",
    "PROCESSES",
    "REQUEST_STATUSES",
    "FieldOutcome",
    "Metrics",
    "RequestRecord",
    "field_outcome",
]

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: Stands for every label value that is not in its closed list.
OTHER = "other"

RequestStatus = Literal["complete", "review", "degraded", "rejected", "failed", "disconnected"]
REQUEST_STATUSES: tuple[RequestStatus, ...] = get_args(RequestStatus)
#: What a process of the service does; with one worker everything.
ProcessName = Literal["worker", "inference"]
PROCESSES = (*get_args(ProcessName), "supervisor")
#: Requests of generations before the newest may still be under way.
_GENERATIONS_REMEMBERED = 256
#: How long a count may wait in memory until it is written. A process that is killed loses as much.
WRITE_SECONDS = 0.05
#: How often a process's CPU time is noted, in seconds.
_CPU_EVERY = 0.25


@dataclass(slots=True)
class RequestRecord:
    """What becomes known of a request while it is answered; :meth:`Metrics.request` counts it at the end."""

    task: str = OTHER
    status: RequestStatus = "failed"
    outcome: Outcome | None = None

    def answer(self, outcome: Outcome) -> None:
        self.outcome = outcome
        status: Status = outcome.extraction.status
        self.status = status


class Metrics(Instruments):
    """The service's metrics in ``registry`` (one a process).

    Args:
        registry: where they are kept.
        enabled: whether requests and queues are counted at all.
        process: what this process does.
        footprint: what energy and emissions are computed from.
        queue_limit: requests that a model tier's queue takes.
        tracer: traces requests, where that is wanted.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        enabled: bool = True,
        process: ProcessName = "worker",
        footprint: Footprint | None = None,
        queue_limit: int | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        super().__init__(registry)
        self.enabled = enabled
        self._tracer = tracer
        self._registry = registry
        self._footprint = footprint or Footprint.of(Settings.read())
        self._counts = Counts(self)
        self._counting = threading.Lock()
        self._writing: asyncio.TimerHandle | None = None
        self._set_aside: set[str] = set()
        self._timeouts_seen: dict[tuple[str, int], dict[str, int]] = {}
        self._collectors: list[Collector] = []
        self._process_cpu = self.process_cpu_seconds.labels(process)
        self._cpu_lock = threading.Lock()
        self._cpu_noted, self._cpu_seen = float("-inf"), 0.0
        if queue_limit is not None:
            for tier in ("student", "large"):
                self.queue_limit.labels(tier).set(queue_limit)

    @classmethod
    def of(cls, settings: Settings, process: ProcessName = "worker") -> Metrics:
        """The metrics of a process of a service.

        Raises:
            ConfigurationError: traces are wanted, and OpenTelemetry is not installed; or the disk has no room for what
                processes count.
        """
        if directory := os.environ.get(MULTIPROCESS_VARIABLE):
            reserve_metric_files(Path(directory))
        return cls(
            CollectorRegistry(),
            enabled=settings.metrics == "on",
            process=process,
            footprint=Footprint.of(settings),
            queue_limit=settings.queue_limit,
            tracer=open_tracer(settings, process),
        )

    @property
    def tracer(self) -> Tracer | None:
        """Who traces requests; ``None`` where nobody does."""
        return self._tracer

    def close(self) -> None:
        """Make what was counted visible, and send what was traced."""
        self.write()
        if self._tracer is not None:
            self._tracer.close()

    @contextmanager
    def request(self) -> Iterator[RequestRecord]:
        """Measure one request; what the block leaves in the record is counted when it ends, however it ends."""
        record = RequestRecord()
        started = time.perf_counter()
        try:
            if self._tracer is None:
                yield record
            else:
                TRACER.set(self._tracer)
                with self._tracer.request() as span:
                    try:
                        yield record
                    finally:
                        _describe(span, record)
        finally:
            if self.enabled:
                self._count(record, time.perf_counter() - started)

    def _count(self, record: RequestRecord, seconds: float) -> None:
        with self._counting:
            counts = self._counts[record.task]
            counts.requests[record.status].inc()
            if record.outcome is not None:
                counts.count(record.outcome, seconds)
        if self._writing is None:
            self._write_soon()

    def _write_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody will come back later
            self.write()
        else:
            self._writing = loop.call_later(WRITE_SECONDS, self.write)

    def write(self) -> None:
        """Make what was counted visible to scrapes. Done by itself within :data:`WRITE_SECONDS`."""
        self._writing = None
        with self._counting:
            self._counts.write()
        self._note_cpu()

    def _note_cpu(self, *, now: bool = False) -> None:
        """Count the CPU time of this process since the last time; seldom, for it costs a system call."""
        if not now and time.monotonic() - self._cpu_noted < _CPU_EVERY:
            return
        if not self._cpu_lock.acquire(blocking=False):
            return  # another thread is at it
        try:
            self._cpu_noted = time.monotonic()
            spent = time.process_time()
            self._process_cpu.inc(spent - self._cpu_seen)
            self._cpu_seen = spent
        finally:
            self._cpu_lock.release()

    def count_rule_timeouts(self, task: str, totals: Mapping[str, int], generation: int = 1) -> None:
        """Take over what the rules of one generation have counted since they were loaded (rule name to number)."""
        if not totals:
            return
        seen = self._timeouts_seen.setdefault((task, generation), {})
        for rule, total in dict(totals).items():  # a copy: rules of other requests count on in their threads
            if total > seen.get(rule, 0):
                self.rule_timeouts.labels(task, rule).inc(total - seen.get(rule, 0))
                seen[rule] = total
        while len(self._timeouts_seen) > _GENERATIONS_REMEMBERED:
            del self._timeouts_seen[next(iter(self._timeouts_seen))]

    def count_set_aside(self, task: str, rules: int) -> None:
        """Note how many rules of a task are not run any more."""
        if rules or task in self._set_aside:
            self._set_aside.add(task)
            self.rules_set_aside.labels(task).set(rules)

    def collect_from(self, collector: Collector) -> None:
        """Let every scrape also ask ``collector``, whose figures are those of all processes already."""
        self._collectors.append(collector)
        if not os.environ.get(MULTIPROCESS_VARIABLE):
            self._registry.register(collector)

    def queue_depth(self, tier: TierName, depth: int) -> None:
        """See :class:`gateway.inference.batching.QueueListener`."""
        if not self.enabled:
            return
        self.queue_depth_now.labels(tier).set(depth)

    def queue_batch(self, tier: TierName, size: int, waited: Sequence[float]) -> None:
        """See :class:`gateway.inference.batching.QueueListener`."""
        if not self.enabled:
            return
        self._note_cpu()
        self.batch_size.observe(size)
        for seconds in waited:
            self.queue_wait.labels(tier).observe(seconds)

    def queue_refused(self, tier: TierName, reason: Refusal) -> None:
        """See :class:`gateway.inference.batching.QueueListener`."""
        self.queue_refusals.labels(tier, reason).inc()

    def models_changed(self, task: str, result: ModelReload) -> None:
        """See :class:`gateway.inference.models.ModelListener`."""
        self.model_reloads.labels(task, result).inc()

    def models_refused(self, task: str, tiers: int) -> None:
        """See :class:`gateway.inference.models.ModelListener`."""
        self.model_problems.labels(task).set(tiers)

    async def scrape(self) -> tuple[bytes, str]:
        """As :meth:`exposition`, without blocking the event loop, and with all that any worker counted before."""
        if os.environ.get(MULTIPROCESS_VARIABLE):
            await asyncio.sleep(2 * WRITE_SECONDS)
        return await asyncio.to_thread(self.exposition)  # it reads files

    def exposition(self) -> tuple[bytes, str]:
        """The body of a scrape and its content type; in multi-process mode that of all processes."""
        self.write()
        self._note_cpu(now=True)
        directory = os.environ.get(MULTIPROCESS_VARIABLE)
        if not directory:
            return generate_latest(_registry_of(Derived(self._registry, self._footprint))), CONTENT_TYPE_LATEST
        files = MultiProcessCollector(None, path=directory)  # type: ignore[no-untyped-call]
        derived = Derived(files, self._footprint, supervisor=os.getppid())
        return generate_latest(_registry_of(derived, *self._collectors)), CONTENT_TYPE_LATEST


def _describe(span: Span, record: RequestRecord) -> None:
    span.set(task=record.task, status=record.status)
    if record.outcome is not None:
        cost = record.outcome.cost
        span.set(tiers=list(record.outcome.extraction.tiers), cost=cost.amount, currency=cost.currency)


def _registry_of(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry
