"""From rows to figures by variant, compared in pairs, and to Markdown."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from training.experiments.counting import Counts, unpacked_counts
from training.experiments.ledger import Row, number
from training.experiments.runner import DIVERGED
from training.experiments.statistics import crossed, paired, pooled

#: Points of F1 whose loss is asked about.
LOSSES = (0.2, 0.3, 1.0)
Values = dict[str, dict[int, float]]


def by_variant(rows: Sequence[Row], column: str) -> Values:
    """Variant to seed to a column's number; rows without one are left out."""
    found: Values = defaultdict(dict)
    for row in rows:
        value = number(row, column)
        if value is not None:
            found[row["variant"]][int(row["seed"])] = value
    return dict(found)


#: What a run takes: ratios of these stand beside differences.
COSTS = ("updates", "flops", "cpu_seconds", "wall_seconds")


def counts_of(rows: Sequence[Row]) -> dict[str, dict[int, Counts]]:
    """Variant to seed to the counts of each judged document."""
    found: dict[str, dict[int, Counts]] = defaultdict(dict)
    for row in rows:
        if row["counts"]:
            found[row["variant"]][int(row["seed"])] = unpacked_counts(row["counts"])
    return dict(found)


def difference(rows: Sequence[Row], variant: str, reference: str) -> dict[str, Any] | None:
    """The paired difference of F1: ``low`` and ``high`` over seeds and documents (over seeds alone where rows have no
    counts by document), ``over_seeds`` for the judged documents alone. ``None`` where there is no pair.

    Where seeds of either diverged there is no interval: it would speak of those that did not.
    """
    values, counts = by_variant(rows, "f1"), counts_of(rows)
    plain = paired(values.get(variant, {}), values.get(reference, {}))
    if plain is None:
        return None
    whole = crossed(counts.get(variant, {}), counts.get(reference, {})) or plain
    if lost(rows, variant) or lost(rows, reference):
        plain, whole = plain.without_interval(), whole.without_interval()
    # One seed's interval is over documents alone, and no verdict follows from it.
    enough = plain.pairs > 1
    found: dict[str, Any] = {**whole.as_json(), "above": enough and whole.above, "equal": enough and whole.within()}
    found["mean"] = round(plain.mean, 4)
    found["lost_at_most"] = {f"{limit:g}": enough and whole.lost_at_most(limit) for limit in LOSSES}
    found["over_seeds"] = {"low": plain.as_json()["low"], "high": plain.as_json()["high"], "equal": plain.within()}
    return found


def lost(rows: Sequence[Row], variant: str) -> int:
    """How many of a variant's seeds diverged."""
    return sum(row["variant"] == variant and row["outcome"] == DIVERGED for row in rows)


def compared(rows: Sequence[Row], reference: str) -> dict[str, Any]:
    """Each variant's means, its paired difference from ``reference``, and its cost beside it.

    :data:`COSTS` are ratios of sums over the seeds both have; ``pooled`` is the difference's interval over seeds from
    the scatter of all variants; ``lost_at_most`` says which losses (points) the interval excludes.
    """
    values = {column: by_variant(rows, column) for column in ("f1", "span_f1")}
    costs = {column: by_variant(rows, column) for column in COSTS}
    base = values["f1"].get(reference, {})
    apart = {
        variant: {seed: value - base[seed] for seed, value in found.items() if seed in base}
        for variant, found in values["f1"].items()
        if variant != reference
    }
    by_pool = pooled(apart)
    result: dict[str, Any] = {}
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        found: dict[str, Any] = {"runs": len(own), "diverged": lost(rows, variant)}
        found["undone_epochs"] = round(sum(by_variant(own, "undone").get(variant, {}).values()))
        notes = sorted({row["note"] for row in own if row["note"]})
        if notes:
            found["notes"] = notes
        for column, measured in values.items():
            if measured.get(variant):
                found[column] = round(statistics.fmean(measured[variant].values()), 3)
        apart_from = difference(rows, variant, reference) if variant != reference else None
        if apart_from is not None:
            if variant in by_pool and not found["diverged"]:
                apart_from["pooled"] = [round(edge, 4) for edge in by_pool[variant]]
            found["f1_difference"] = apart_from
            found["equal_within_0.3"] = apart_from["equal"]
            found["lost_at_most"] = apart_from["lost_at_most"]
        for column, cost in costs.items():
            ratio = _ratio(cost.get(variant, {}), cost.get(reference, {}))
            if ratio is not None:
                found[f"{column}_ratio"] = round(ratio, 4)
        if costs["updates"].get(variant):
            found["updates"] = round(statistics.fmean(costs["updates"][variant].values()), 1)
        result[variant] = found
    return result


def runs(found: Mapping[str, Any]) -> str:
    """How many runs there were, and what went wrong in them."""
    wrong = [f"{found['diverged']} diverged"] if found.get("diverged") else []
    if found.get("undone_epochs"):
        wrong.append(f"{found['undone_epochs']} epochs undone")
    return f"{found['runs']}{' (' + ', '.join(wrong) + ')' if wrong else ''}"


def equal(found: Mapping[str, Any]) -> str:
    """Whether a variant was shown to be equal within ± 0.3: on any such documents, on those judged, or not."""
    apart = found.get("f1_difference")
    if apart is None:
        return ""
    if apart["equal"]:
        return "yes"
    return "on these documents" if apart["over_seeds"]["equal"] else "not shown"


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
