"""From rows to figures by variant, compared in pairs, and to Markdown."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from training.experiments.ledger import Row, number
from training.experiments.runner import DIVERGED
from training.experiments.statistics import paired

Values = dict[str, dict[int, float]]


def by_variant(rows: Sequence[Row], column: str) -> Values:
    """Variant to seed to a column's number; rows without one are left out."""
    found: Values = defaultdict(dict)
    for row in rows:
        value = number(row, column)
        if value is not None:
            found[row["variant"]][int(row["seed"])] = value
    return dict(found)


def compared(rows: Sequence[Row], reference: str, columns: Sequence[str] = ("f1", "span_f1")) -> dict[str, Any]:
    """Each variant's means, its paired differences from ``reference`` in ``columns``, and its cost beside it.

    ``updates``, ``flops``, ``cpu_seconds`` and ``wall_seconds`` are ratios of sums over the seeds both have.
    """
    measured = {column: by_variant(rows, column) for column in columns}
    costs = {column: by_variant(rows, column) for column in ("updates", "flops", "cpu_seconds", "wall_seconds")}
    result: dict[str, Any] = {}
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        found: dict[str, Any] = {
            "runs": len(own),
            "diverged": sum(row["outcome"] == DIVERGED for row in own),
        }
        for column in columns:
            values = measured[column].get(variant, {})
            if values:
                found[column] = round(statistics.fmean(values.values()), 3)
            difference = paired(values, measured[column].get(reference, {}))
            if difference is not None and variant != reference:
                found[f"{column}_difference"] = difference.as_json()
                if column == "f1":
                    found["equal_within_0.3"] = difference.within()
        for column, cost in costs.items():
            ratio = _ratio(cost.get(variant, {}), cost.get(reference, {}))
            if ratio is not None:
                found[f"{column}_ratio"] = round(ratio, 4)
        if costs["updates"].get(variant):
            found["updates"] = round(statistics.fmean(costs["updates"][variant].values()), 1)
        result[variant] = found
    return result


def _ratio(values: Mapping[int, float], reference: Mapping[int, float]) -> float | None:
    seeds = values.keys() & reference.keys()
    below = sum(reference[seed] for seed in seeds)
    return sum(values[seed] for seed in seeds) / below if below else None


def mean_of(rows: Sequence[Row], variant: str, column: str) -> float | None:
    """The mean of a variant's numbers in a column."""
    values = by_variant(rows, column).get(variant)
    return statistics.fmean(values.values()) if values else None


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def points(value: float | None) -> str:
    """F1 points with two digits."""
    return "" if value is None else f"{value:.2f}"


def interval(difference: Mapping[str, Any] | None) -> str:
    """A paired difference and its interval: ``−0.12 (−0.30 to +0.06)``."""
    if difference is None:
        return ""
    text = signed(difference["mean"])
    if difference["low"] is None:
        return text
    return f"{text} ({signed(difference['low'])} to {signed(difference['high'])})"


def signed(value: float) -> str:
    """A number with its sign, a real minus."""
    return f"{value:+.2f}".replace("-", "−")


def times(value: float | None) -> str:
    """A ratio: ``0.25 ×``."""
    return "" if value is None else f"{value:.2f} ×"
