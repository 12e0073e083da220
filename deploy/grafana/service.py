"""*Service*: rate, errors and duration, queues and batches, refusals, upstreams and the cache."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana import panels as p
from deploy.grafana import queries as q

SECONDS = "cascade_request_duration_seconds"
HIT = 'result="hit"'


def dashboard() -> Dashboard:
    """The dashboard."""
    return p.filled(
        p.start("cascade-service", "Cascade: service", "Is it up, quick and within its limits?", since="now-6h"),
        [
            Row("Now"),
            p.stat("Up", "Gateways that answer a scrape.", ('sum(up{job="cascade"})', "gateways"), decimals=0),
            p.stat(
                "Requests a second", "All of them.", (q.rate("cascade_requests_total", q.TASK, window="5m"), "requests")
            ),
            p.stat(
                "Failed or refused",
                "Share of requests within five minutes; from the recording rules.",
                ("max(cascade:errors:ratio_rate5m)", "share"),
                unit=p.SHARE,
                decimals=2,
                thresholds=p.ALARM_ABOVE_ZERO,
            ),
            p.stat(
                "Error budget left",
                "Of the last three days' share of a 30-day budget (objectives.yml).",
                ("1 - max(cascade:errors:ratio_rate3d) / scalar(cascade:objective:error_ratio)", "left"),
                unit=p.SHARE,
                decimals=1,
                thresholds=p.GOOD_ABOVE_ZERO,
            ),
            p.stat(
                "Median",
                "Half of the requests take less.",
                (q.quantile(0.5, SECONDS, q.RANGE, q.TASK), ""),
                unit=p.SECONDS,
            ),
            p.stat(
                "95th percentile",
                "One in twenty takes longer.",
                (q.quantile(0.95, SECONDS, q.RANGE, q.TASK), ""),
                unit=p.SECONDS,
            ),
            Row("Requests"),
            p.lines(
                "Requests, by what became of them",
                "A second.",
                (q.rate("cascade_requests_total", q.TASK, by="status"), "{{status}}"),
                unit="reqps",
                stacked=True,
            ),
            p.lines(
                "Duration of requests",
                "Wall time of answered requests.",
                (q.quantile(0.5, SECONDS, q.STEP, q.TASK), "median"),
                (q.quantile(0.95, SECONDS, q.STEP, q.TASK), "95 %"),
                (q.quantile(0.99, SECONDS, q.STEP, q.TASK), "99 %"),
                unit=p.SECONDS,
            ),
            p.lines(
                "Duration by tier, 95th percentile",
                "Waiting in the tier's queue included.",
                (q.quantile(0.95, "cascade_tier_duration_seconds", q.STEP, q.TASK, by="tier"), "{{tier}}"),
                (q.quantile(0.95, "cascade_overhead_seconds", q.STEP), "around the tiers"),
                unit=p.SECONDS,
            ),
            p.lines(
                "Refused before the body was read",
                "A second; these are in no other panel.",
                (q.rate("cascade_refused_total", by="code"), "{{code}}"),
                unit="reqps",
            ),
            Row("Queues and batches"),
            p.lines(
                "Queues",
                "Requests that wait for a model tier or are being answered by it, and how many a queue takes.",
                ("sum by (tier) (cascade_queue_depth)", "{{tier}}"),
                ("max by (tier) (cascade_queue_limit)", "{{tier}}, limit"),
                width=8,
            ),
            p.lines(
                "Waiting, 95th percentile",
                "From asking a tier to the start of its work.",
                (q.quantile(0.95, "cascade_queue_wait_seconds", q.STEP, by="tier"), "{{tier}}"),
                unit=p.SECONDS,
                width=8,
            ),
            p.lines(
                "Documents in a batch",
                "Mean.",
                (f"{q.rate('cascade_batch_size_sum')} / ({q.rate('cascade_batch_size_count')} > 0)", "documents"),
                width=8,
            ),
            p.lines(
                "Let go by a queue",
                "A second. The request goes on without the tier and comes back degraded.",
                (q.rate("cascade_queue_refused_total", by="tier, reason"), "{{tier}}: {{reason}}"),
                width=8,
            ),
            p.lines(
                "CPU",
                "Seconds a second (cores), by process.",
                (q.rate("cascade_process_cpu_seconds_total", by="process"), "{{process}}"),
                width=8,
                stacked=True,
            ),
            p.lines(
                "Cache",
                "Share of looked-up requests that were answered from the cache (CASCADE_CACHE_BYTES).",
                (
                    f"{q.rate('cascade_cache_requests_total', q.TASK, HIT)} / "
                    f"({q.rate('cascade_cache_requests_total', q.TASK)} > 0)",
                    "hits",
                ),
                unit=p.SHARE,
                top=1,
                width=8,
            ),
            Row("Remote large models"),
            p.lines(
                "Calls",
                "A second, by what became of them.",
                (q.rate("cascade_upstream_requests_total", by="upstream, outcome"), "{{upstream}}: {{outcome}}"),
                width=8,
            ),
            p.lines(
                "Breaker",
                "1 while an upstream is left alone.",
                ("max by (upstream) (cascade_breaker_open)", "{{upstream}}"),
                width=8,
                top=1,
            ),
            p.lines(
                "Billed tokens",
                "A second.",
                (q.rate("cascade_upstream_tokens_total", by="upstream, kind"), "{{upstream}}: {{kind}}"),
                width=8,
                stacked=True,
            ),
        ],
    )
