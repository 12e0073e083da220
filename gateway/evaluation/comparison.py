"""How systems compare: the two figures a cascade's cost is made of, and whether it is better than its best tier.

The cost of a cascade is about rules + s + p · 1 of the large tier's: ``s`` is the student's cost relative to the large
tier, ``p`` the share of requests that reach the large tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.evaluation.bootstrap import FloatArray, GroupBootstrap, f1_of, interval_json, ratio
from gateway.evaluation.metrics import CountArray, Measure, total
from gateway.evaluation.systems import SystemName, SystemRun


def compare(
    runs: Mapping[SystemName, SystemRun],
    counts: Mapping[SystemName, Mapping[Measure, CountArray]],
    bootstrap: GroupBootstrap,
) -> dict[str, Any]:
    """The ``comparison`` part of the JSON; a figure is ``None`` where a system that it needs was not run."""
    cascade = runs.get("cascade")
    return {
        "s": _cpu_ratio(runs.get("student"), runs.get("large"), bootstrap),
        "p": _share_reaching_large(cascade, bootstrap),
        "cost_of_always_large": _cpu_ratio(cascade, runs.get("large"), bootstrap),
        "cost_of_always_large_estimated": _estimated_share(cascade),
        "cascade_less_best_tier": _differences(counts, bootstrap),
    }


def _share_reaching_large(cascade: SystemRun | None, bootstrap: GroupBootstrap) -> dict[str, Any] | None:
    if cascade is None:
        return None
    tiers = [record.outcome.extraction.tiers if record.outcome else None for record in cascade.records]
    answered = np.array([reached is not None for reached in tiers])
    return _ratio_with_interval(np.array(["large" in (reached or ()) for reached in tiers]), answered, bootstrap)


def _cpu_ratio(over: SystemRun | None, under: SystemRun | None, bootstrap: GroupBootstrap) -> dict[str, Any] | None:
    """CPU seconds of one system as a share of another's, over the documents both answered."""
    if over is None or under is None or not over.records or not under.records:
        return None
    pairs = zip(over.records, under.records, strict=True)
    both = [one.outcome is not None and two.outcome is not None for one, two in pairs]
    return _ratio_with_interval(_cpu_seconds(over) * both, _cpu_seconds(under) * both, bootstrap)


def _cpu_seconds(run: SystemRun) -> FloatArray:
    return np.array(
        [
            sum(work.cpu_seconds for work in record.outcome.extraction.work.values()) if record.outcome else 0.0
            for record in run.records
        ]
    )


def _ratio_with_interval(part: NDArray[Any], whole: NDArray[Any], bootstrap: GroupBootstrap) -> dict[str, Any] | None:
    if not whole.sum() > 0:
        return None
    interval = bootstrap.interval(np.stack([part, whole], axis=1), lambda sums: ratio(sums[:, 0], sums[:, 1]))
    return {"value": float(part.sum() / whole.sum()), "interval": interval_json(interval)}


def _estimated_share(cascade: SystemRun | None) -> float | None:
    """As the service sees it: money spent against what the large tier alone is estimated to cost by policy.json."""
    outcomes = [record.outcome for record in cascade.records if record.outcome is not None] if cascade else []
    known = [(one.cost.amount, one.cost.always_large) for one in outcomes if one.cost.always_large is not None]
    whole = sum(always_large for _, always_large in known)
    return sum(amount for amount, _ in known) / whole if whole > 0 else None


def _differences(
    counts: Mapping[SystemName, Mapping[Measure, CountArray]], bootstrap: GroupBootstrap
) -> dict[str, Any] | None:
    """Micro F1 of the cascade less that of the best single tier, paired: both on the same resamples."""
    single = [name for name in counts if name != "cascade"]
    if "cascade" not in counts or not single:
        return None
    found: dict[str, Any] = {}
    for measure, array in counts["cascade"].items():
        cascade_f1 = total(array).f1
        best = max(single, key=lambda name: total(counts[name][measure]).f1 or 0.0)
        best_f1 = total(counts[best][measure]).f1
        if cascade_f1 is None or best_f1 is None:
            continue
        interval = bootstrap.difference(array.sum(axis=1), counts[best][measure].sum(axis=1), f1_of)
        found[measure] = {"best": best, "value": cascade_f1 - best_f1, "interval": interval_json(interval)}
    return found
