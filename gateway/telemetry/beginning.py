"""Counters that begin at zero.

Prometheus computes a counter's growth from the samples it has: what a series counted before its first sample is lost
to ``rate()`` and ``increase()``. So the series that money and shares are computed from are there before their first
request.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from gateway.cascade import REASONS
from gateway.loaded import LoadedTask
from gateway.telemetry.counting import FIELD_OUTCOMES, NO_TIER, OVERHEAD
from gateway.telemetry.metrics import REQUEST_STATUSES, Metrics


def begin(metrics: Metrics, tasks: Mapping[str, LoadedTask]) -> None:
    """Make the series of ``tasks``; a task that comes later begins with its first request."""
    if not metrics.enabled:
        return
    for name, task in tasks.items():
        spec = task.spec
        currency = spec.prices.currency
        for status in REQUEST_STATUSES:
            metrics.requests.labels(name, status)
        for tier in (*spec.tiers, OVERHEAD):
            metrics.cost.labels(name, tier, currency)
        for tier in spec.tiers:
            metrics.tier_requests.labels(name, tier)
        # Where nothing is known of the large tier's cost there is no such series, and nothing counts as saved.
        if spec.prices.large is not None or (task.policy is not None and "large" in task.policy.estimates):
            metrics.cost_always_large.labels(name, currency)
        if "large" in spec.tiers:
            metrics.audit_cost.labels(name, currency)
        for field in spec.fields:
            if "large" in spec.tiers:
                metrics.audits_allowed.labels(name, field)
                for said in ("yes", "no"):
                    metrics.audits_tested.labels(name, field, said)
            for tier in (*spec.tiers, NO_TIER):
                for outcome in FIELD_OUTCOMES:
                    metrics.fields.labels(name, field, tier, outcome)
            for before, after in combinations(spec.tiers, 2):
                for reason in REASONS:
                    metrics.escalations.labels(name, field, before, after, reason)
