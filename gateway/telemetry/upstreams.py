"""Prometheus metrics of remote large models."""

from __future__ import annotations

from gateway.telemetry.metrics import Metrics
from gateway.tiers.large.remote.listener import CallOutcome


class UpstreamMetrics:
    """Counts what happens to upstreams (see :class:`gateway.tiers.large.remote.listener.RemoteListener`)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def called(self, upstream: str, outcome: CallOutcome, seconds: float) -> None:
        self._metrics.upstream_requests.labels(upstream, outcome).inc()

    def retried(self, upstream: str) -> None:
        self._metrics.upstream_retries.labels(upstream).inc()

    def breaker(self, upstream: str, is_open: bool) -> None:
        self._metrics.breaker_open.labels(upstream).set(int(is_open))

    def billed(self, upstream: str, prompt_tokens: int, completion_tokens: int, amount: float, currency: str) -> None:
        self._metrics.upstream_tokens.labels(upstream, "prompt").inc(prompt_tokens)
        self._metrics.upstream_tokens.labels(upstream, "completion").inc(completion_tokens)
        self._metrics.upstream_cost.labels(upstream, currency).inc(amount)
