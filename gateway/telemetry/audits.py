"""Audits, feedback and doubts as metrics."""

from __future__ import annotations

from gateway.audit.listening import Dropped
from gateway.telemetry.metrics import Metrics


class AuditMetrics:
    """A :class:`gateway.audit.listening.AuditListener`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def audited(self, task: str, field: str, tier: str, agree: bool, allowed: float | None) -> None:
        said = "yes" if agree else "no"
        self._metrics.audits.labels(task, field, tier, said).inc()
        if allowed is not None:
            self._metrics.audits_tested.labels(task, field, said).inc()
            self._metrics.audits_allowed.labels(task, field).inc(allowed)

    def audit_dropped(self, task: str, reason: Dropped, count: int) -> None:
        self._metrics.audits_dropped.labels(task, reason).inc(count)

    def audit_cost(self, task: str, currency: str, amount: float) -> None:
        self._metrics.audit_cost.labels(task, currency).inc(amount)

    def feedback(self, task: str, field: str, verdict: str) -> None:
        self._metrics.feedback.labels(task, field, verdict).inc()

    def doubt(self, task: str, field: str, doubted: bool) -> None:
        self._metrics.quality_doubt.labels(task, field).set(float(doubted))

    def shift(self, task: str, noticed: bool) -> None:
        self._metrics.traffic_shift.labels(task).set(float(noticed))
