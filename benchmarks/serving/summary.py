"""From samples to figures."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.serving.load import LATE, LOST, REFUSED, Result

_NAMES = {REFUSED: "not-connected", LOST: "lost", LATE: "timed-out"}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(-(-share * len(ordered) // 1)) - 1))]


def figures(result: Result) -> dict[str, Any]:
    """Throughput of whole answers, latency percentiles in milliseconds of all answers, and what became of the rest."""
    whole = [sample for sample in result.samples if sample.status == 200 and not sample.degraded]
    latencies = [1000 * sample.latency for sample in whole]
    statuses = Counter(_NAMES.get(sample.status, str(sample.status)) for sample in result.samples)
    found: dict[str, Any] = {
        "requests": len(result.samples),
        "answered_per_second": round(len(whole) / result.seconds, 2) if result.seconds else 0.0,
        "degraded": sum(sample.degraded for sample in result.samples),
        "statuses": dict(sorted(statuses.items())),
    }
    if latencies:
        found["latency_ms"] = {
            f"p{100 * share:g}": round(percentile(latencies, share), 3) for share in (0.5, 0.9, 0.99, 0.999)
        }
    for name, some in (
        ("refused_ms", [sample for sample in result.samples if sample.status in (429, 503)]),
        ("degraded_ms", [sample for sample in result.samples if sample.status == 200 and sample.degraded]),
    ):
        if some:
            times = [1000 * sample.latency for sample in some]
            found[name] = {f"p{100 * share:g}": round(percentile(times, share), 3) for share in (0.5, 0.9, 0.99)}
    if result.cpu_seconds and result.seconds:
        # Of one CPU; on a small machine this is taken from what is measured.
        found["generator_cpu"] = round(result.cpu_seconds / result.seconds, 3)
    return found


def median_of(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The round whose throughput is the median, with the range of all."""
    ordered = sorted(rounds, key=lambda found: found["answered_per_second"])
    middle = dict(ordered[(len(ordered) - 1) // 2])
    rates = [found["answered_per_second"] for found in rounds]
    middle["rounds"] = len(rounds)
    middle["answered_per_second"] = round(statistics.median(rates), 2)
    middle["range_per_second"] = [min(rates), max(rates)]
    return middle
