"""Prometheus metrics of the service; every name and label value is listed in ``docs/metrics.md``.

With several worker processes the environment variable ``PROMETHEUS_MULTIPROC_DIR`` must be set before
``prometheus_client`` is first imported: every process then writes to that directory, and a scrape of any worker
answers for all of them.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

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
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.cascade import AUTHOR, FieldResult, Status
from gateway.document import TierName
from gateway.extraction import Outcome
from gateway.inference.batching import Refusal

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: Stands for every label value that is not in its closed list.
OTHER = "other"

RequestStatus = Literal["complete", "review", "degraded", "rejected", "failed", "disconnected"]
REQUEST_STATUSES: tuple[RequestStatus, ...] = get_args(RequestStatus)
FieldOutcome = Literal["accepted", "accepted-author", "absent", "review", "nothing-found"]
FIELD_OUTCOMES: tuple[FieldOutcome, ...] = get_args(FieldOutcome)
#: The ``tier`` of a field for which no tier had an answer.
NO_TIER = "none"

# Rules answer in tens of microseconds, the large tier on a long text in tens of seconds.
_DURATIONS = (
    *(2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
#: Requests of generations before the newest may still be under way.
_GENERATIONS_REMEMBERED = 256
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


def field_outcome(result: FieldResult) -> FieldOutcome:
    """``accepted`` a value, ``accepted-author`` one on the word of its rule's author, accepted that it is ``absent``, a
    value in ``review``, or in review with ``nothing-found``."""
    if result.guarantee == AUTHOR:
        return "accepted-author"
    if result.state == "accepted":
        return "accepted" if result.present else "absent"
    return "review" if result.present else "nothing-found"


M = TypeVar("M", Counter, Gauge, Histogram)


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


def _matched_rules(outcome: Outcome) -> set[str]:
    """The rules, ``<field>/<rule id>``, that have a candidate in an answer; values that several found count for the one
    that ranked them highest."""
    evidence = outcome.extraction.evidence.values()
    answers = (answer for item in evidence for answer in item.answers.get("rules", ()))
    found = {candidate.source for answer in answers for candidate in answer.candidates}
    return found | {candidate.source for item in evidence for candidate in item.unmeasured}


class Metrics:
    """The service's metrics in ``registry`` (one a process)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Otherwise every counter would be accompanied by a gauge of its creation time, in one-process mode only.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry
        self._children: dict[tuple[object, ...], Any] = {}
        self._set_aside: set[str] = set()
        self._timeouts_seen: dict[tuple[str, int], dict[str, int]] = {}
        self._collectors: list[Collector] = []

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
        self.queue_wait = histogram(
            "cascade_queue_wait_seconds",
            "Wall time from asking a model tier to the start of its work.",
            _DURATIONS,
            "tier",
        )
        self.queue_refusals = counter(
            "cascade_queue_refused_total", "Requests that a model tier's queue let go unanswered.", "tier", "reason"
        )
        self.queue_depth_now = Gauge(
            "cascade_queue_depth",
            "Requests waiting for a model tier or being answered by it.",
            ["tier"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.rule_timeouts = counter(
            "cascade_rule_timeouts_total", "Rules given up on a text because they took too long.", "task", "rule"
        )
        self.rule_matches = counter(
            "cascade_rule_matches_total", "Documents in which a rule found a candidate.", "task", "rule"
        )
        self.filtered = counter(
            "cascade_filtered_total", "Documents that a filter kept from being extracted from.", "task", "filter"
        )
        self.upstream_requests = counter(
            "cascade_upstream_requests_total", "Calls to remote large models.", "upstream", "outcome"
        )
        self.upstream_retries = counter(
            "cascade_upstream_retries_total", "Calls made because an earlier one gave no answer.", "upstream"
        )
        self.upstream_tokens = counter(
            "cascade_upstream_tokens_total", "Tokens that remote large models billed.", "upstream", "kind"
        )
        self.upstream_cost = counter(
            "cascade_upstream_cost_total", "Money that remote large models billed.", "upstream", "currency"
        )
        self.rules_set_aside = Gauge(
            "cascade_rules_set_aside",
            "Rules that are not run any more because they kept running out of time.",
            ["task"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.breaker_open = Gauge(
            "cascade_breaker_open",
            "1 while a remote large model is left alone because it kept failing.",
            ["upstream"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.refused = counter(
            "cascade_refused_total", "Extraction requests refused before their body was read.", "code"
        )
        self.cache_requests = counter(
            "cascade_cache_requests_total", "Requests looked up in the cache of answers.", "task", "result"
        )
        self.cache_bytes = Gauge(
            "cascade_cache_bytes",
            "Memory that kept answers take.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.audits = counter(
            "cascade_audit_total",
            "Audited answers, and whether the auditor agreed.",
            *("task", "field", "tier", "agree"),
        )
        self.audits_dropped = counter(
            "cascade_audit_dropped_total", "Answers drawn for an audit that were not audited.", "task", "reason"
        )
        self.audit_cost = counter("cascade_audit_cost_total", "Money that audits did cost.", "task", "currency")
        self.feedback = counter("cascade_feedback_total", "Corrections by people.", "task", "field", "verdict")
        self.quality_doubt = Gauge(
            "cascade_quality_doubt",
            "1 while more accepted answers seem wrong than was promised.",
            ["task", "field"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.traffic_shift = Gauge(
            "cascade_traffic_shift",
            "1 while documents no longer look like those the quality was measured on.",
            ["task"],
            registry=registry,
            multiprocess_mode="livemax",
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

    def _child(self, metric: M, *labels: str) -> M:
        """``metric.labels(*labels)``, which is too slow for two dozen of them a request, looked up once."""
        key = (id(metric), *labels)
        child: M | None = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def _count(self, record: RequestRecord, seconds: float) -> None:
        self._child(self.requests, record.task, record.status).inc()
        if record.outcome is None:
            return
        outcome, task = record.outcome, record.task
        extraction = outcome.extraction
        self._child(self.request_duration, task).observe(seconds)
        in_tiers = 0.0
        for tier, spent in outcome.timing.items():
            if tier != "total":
                in_tiers += spent
                self._child(self.tier_duration, task, tier).observe(spent)
        self.overhead.observe(max(0.0, seconds - in_tiers))
        for answered in extraction.tiers:
            self._child(self.tier_requests, task, answered).inc()
        for name, result in extraction.fields.items():
            tier = result.tier or NO_TIER
            self._child(self.fields, task, name, tier, field_outcome(result)).inc()
            if result.present:
                self._child(self.confidence, task, name, tier).observe(result.confidence)
        for rule in _matched_rules(outcome):
            self._child(self.rule_matches, task, rule).inc()
        if outcome.filtered is not None:
            self._child(self.filtered, task, outcome.filtered.id).inc()
        for step in extraction.escalations:
            self._child(self.escalations, task, step.field, step.from_tier, step.to_tier, step.reason).inc()
        for tier_name, amount in outcome.cost.by_tier.items():
            self._child(self.cost, task, tier_name, outcome.cost.currency).inc(amount)
        if outcome.cost.always_large is not None:
            self._child(self.cost_always_large, task, outcome.cost.currency).inc(outcome.cost.always_large)

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
        self.queue_depth_now.labels(tier).set(depth)

    def queue_batch(self, tier: TierName, size: int, waited: Sequence[float]) -> None:
        """See :class:`gateway.inference.batching.QueueListener`."""
        self.batch_size.observe(size)
        for seconds in waited:
            self.queue_wait.labels(tier).observe(seconds)

    def queue_refused(self, tier: TierName, reason: Refusal) -> None:
        """See :class:`gateway.inference.batching.QueueListener`."""
        self.queue_refusals.labels(tier, reason).inc()

    def exposition(self) -> tuple[bytes, str]:
        """The body of a scrape and its content type; in multi-process mode that of all processes."""
        directory = os.environ.get(MULTIPROCESS_VARIABLE)
        if not directory:
            return generate_latest(self._registry), CONTENT_TYPE_LATEST
        registry = CollectorRegistry()
        for collector in self._collectors:
            registry.register(collector)
        MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
