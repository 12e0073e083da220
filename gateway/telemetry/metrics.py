"""Prometheus metrics of the service; every name and label value is listed in ``docs/metrics.md``.

With several worker processes the environment variable ``PROMETHEUS_MULTIPROC_DIR`` must be set before
``prometheus_client`` is first imported: every process then writes to that directory, and a scrape of any worker
answers for all of them.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from gateway import __version__
from gateway.cascade import FieldResult, Status
from gateway.document import TierName
from gateway.extraction import Outcome

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: Stands for every label value that is not in its closed list.
OTHER = "other"

RequestStatus = Literal["complete", "review", "degraded", "rejected", "failed", "disconnected"]
REQUEST_STATUSES: tuple[RequestStatus, ...] = get_args(RequestStatus)
FieldOutcome = Literal["accepted", "absent", "review", "nothing-found"]
FIELD_OUTCOMES: tuple[FieldOutcome, ...] = get_args(FieldOutcome)
#: The ``tier`` of a field for which no tier had an answer.
NO_TIER = "none"

# Rules answer in tens of microseconds, the large tier on a long text in tens of seconds.
_DURATIONS = (
    *(2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


def field_outcome(result: FieldResult) -> FieldOutcome:
    """``accepted`` a value, accepted that it is ``absent``, a value in ``review``, or in review with
    ``nothing-found``."""
    if result.state == "accepted":
        return "accepted" if result.present else "absent"
    return "review" if result.present else "nothing-found"


@dataclass
class RequestRecord:
    """What becomes known of a request while it is answered; :meth:`Metrics.request` counts it at the end."""

    task: str = OTHER
    status: RequestStatus = "failed"
    outcome: Outcome | None = None

    def answer(self, outcome: Outcome) -> None:
        self.outcome = outcome
        status: Status = outcome.extraction.status
        self.status = status


class Metrics:
    """The service's metrics in ``registry`` (one a process)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Otherwise every counter would be accompanied by a gauge of its creation time, in one-process mode only.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry
        self._timeouts_seen: dict[tuple[str, str], int] = {}

        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(name, help_text, labels, registry=registry)

        def histogram(name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, help_text, labels, buckets=buckets, registry=registry)

        self.requests = counter("cascade_requests_total", "Extraction requests.", "task", "status")
        self.tier_requests = counter("cascade_tier_requests_total", "Requests a tier answered.", "task", "tier")
        self.fields = counter(
            "cascade_fields_total",
            "Fields, by the tier of the answer and what became of it.",
            "task",
            "field",
            "tier",
            "outcome",
        )
        self.escalations = counter(
            "cascade_escalations_total",
            "Fields passed on to the next tier.",
            *("task", "field", "from_tier", "to_tier", "reason"),
        )
        self.request_duration = histogram(
            "cascade_request_duration_seconds", "Wall time of answered requests.", _DURATIONS, "task"
        )
        self.tier_duration = histogram(
            "cascade_tier_duration_seconds", "Wall time of asking a tier, waiting included.", _DURATIONS, "task", "tier"
        )
        self.overhead = histogram(
            "cascade_overhead_seconds", "Wall time of answered requests outside all tiers.", _DURATIONS
        )
        self.cost = counter("cascade_cost_total", "Marginal cost of the work done.", "task", "tier", "currency")
        self.cost_always_large = counter(
            "cascade_cost_always_large_total",
            "What the large tier alone would have cost for the same requests.",
            *("task", "currency"),
        )
        self.confidence = histogram(
            "cascade_confidence_ratio", "Confidence of answers.", _CONFIDENCES, "task", "field", "tier"
        )
        self.batch_size = histogram("cascade_batch_size", "Documents that shared a model's forward pass.", _BATCHES)
        self.queue_depth = Gauge(
            "cascade_queue_depth",
            "Requests waiting for a model tier or being answered by it.",
            ["tier"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.rule_timeouts = counter(
            "cascade_rule_timeouts_total", "Rules given up on a text because they took too long.", "task", "rule"
        )
        build = Gauge(
            "cascade_build_info", "Always 1.", ["version", "python"], registry=registry, multiprocess_mode="max"
        )
        build.labels(__version__, platform.python_version()).set(1)

    @contextmanager
    def request(self) -> Iterator[RequestRecord]:
        """Measure one request; what the block leaves in the record is counted when it ends, however it ends."""
        record = RequestRecord()
        started = time.perf_counter()
        try:
            yield record
        finally:
            self._count(record, time.perf_counter() - started)

    def _count(self, record: RequestRecord, seconds: float) -> None:
        self.requests.labels(record.task, record.status).inc()
        if record.outcome is None:
            return
        outcome, task = record.outcome, record.task
        extraction = outcome.extraction
        self.request_duration.labels(task).observe(seconds)
        in_tiers = 0.0
        for tier, spent in outcome.timing.items():
            if tier != "total":
                in_tiers += spent
                self.tier_duration.labels(task, tier).observe(spent)
        self.overhead.observe(max(0.0, seconds - in_tiers))
        for answered in extraction.tiers:
            self.tier_requests.labels(task, answered).inc()
        for answered, work in extraction.work.items():
            if answered != "rules":
                self.batch_size.observe(work.batch_size)
        for name, result in extraction.fields.items():
            tier = result.tier or NO_TIER
            self.fields.labels(task, name, tier, field_outcome(result)).inc()
            if result.present:
                self.confidence.labels(task, name, tier).observe(result.confidence)
        for step in extraction.escalations:
            self.escalations.labels(task, step.field, step.from_tier, step.to_tier, step.reason).inc()
        for tier_name, amount in outcome.cost.by_tier.items():
            self.cost.labels(task, tier_name, outcome.cost.currency).inc(amount)
        if outcome.cost.always_large is not None:
            self.cost_always_large.labels(task, outcome.cost.currency).inc(outcome.cost.always_large)

    def count_rule_timeouts(self, task: str, totals: Mapping[str, int]) -> None:
        """Take over what a rules tier has counted since it was loaded (rule name to number)."""
        for rule, total in dict(totals).items():  # a copy: rules of other requests count on in their threads
            seen = self._timeouts_seen.get((task, rule), 0)
            if total > seen:
                self.rule_timeouts.labels(task, rule).inc(total - seen)
                self._timeouts_seen[task, rule] = total

    def set_queue_depth(self, tier: TierName, depth: int) -> None:
        """Requests that a model tier has before it now."""
        self.queue_depth.labels(tier).set(depth)

    def exposition(self) -> tuple[bytes, str]:
        """The body of a scrape and its content type; in multi-process mode that of all processes."""
        directory = os.environ.get(MULTIPROCESS_VARIABLE)
        if not directory:
            return generate_latest(self._registry), CONTENT_TYPE_LATEST
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
