"""The service's Prometheus metrics; every name and label value is listed in ``docs/metrics.md``."""

from __future__ import annotations

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from gateway import __version__

#: Metrics that others are derived from when they are scraped.
CPU_SECONDS = "cascade_cpu_seconds_total"
GPU_SECONDS = "cascade_gpu_seconds_total"
PROCESS_CPU_SECONDS = "cascade_process_cpu_seconds_total"

# Rules answer in tens of microseconds, the large tier on a long text in tens of seconds.
_DURATIONS = (
    *(2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Instruments:
    """All metrics of one process, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Otherwise every counter would be accompanied by a gauge of its creation time, in one-process mode only.
        disable_created_metrics()  # type: ignore[no-untyped-call]

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
        self.cost = counter(
            "cascade_cost_total",
            "Marginal cost of answered requests, of each tier and of the overhead around them.",
            *("task", "tier", "currency"),
        )
        self.cost_always_large = counter(
            "cascade_cost_always_large_total",
            "What the large tier alone would have cost for the same requests.",
            *("task", "currency"),
        )
        self.cost_provisioned = counter(
            "cascade_cost_provisioned_total",
            "Part of the machine's price that answered requests bear, idle time included.",
            *("task", "currency"),
        )
        self.cpu_seconds = counter(CPU_SECONDS, "CPU seconds charged to answered requests.", "task", "tier")
        self.gpu_seconds = counter(GPU_SECONDS, "GPU seconds charged to answered requests.", "task", "tier")
        self.tokens = counter(
            "cascade_tokens_total",
            "Tokens that model tiers read and wrote for answered requests.",
            *("task", "tier", "kind"),
        )
        self.process_cpu_seconds = counter(PROCESS_CPU_SECONDS, "CPU seconds of the service's processes.", "process")
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
        self.queue_limit = Gauge(
            "cascade_queue_limit",
            "Requests that a model tier's queue takes at most.",
            ["tier"],
            registry=registry,
            multiprocess_mode="livemax",
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
        self.model_reloads = counter(
            "cascade_model_reloads_total", "Changes of a task's model files, by what came of them.", "task", "result"
        )
        self.model_problems = Gauge(
            "cascade_model_problems",
            "Model tiers that go on as they were because newer files of them cannot be used.",
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
        self.refused = counter("cascade_refused_total", "Extraction requests refused before any work on them.", "code")
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
        self.audits_tested = counter(
            "cascade_audit_tested_total",
            "Audited answers for which it is known how often the auditor may disagree, and whether it agreed.",
            *("task", "field", "agree"),
        )
        self.audits_allowed = counter(
            "cascade_audit_allowed_disagreements_total",
            "As many of these as the auditor may disagree with, on average, while the promise is kept.",
            *("task", "field"),
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
