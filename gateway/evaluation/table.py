"""A report as aligned plain text, made from the JSON alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.document import TIERS

_NOTHING = "–"


def align(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Lines with columns padded to one width; the first ``left`` columns to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def render(report: Mapping[str, Any]) -> str:
    """The tables of ``cascade eval``: F1, errors among accepted, cost, escalation, comparison, notes."""
    systems = {name: system for name, system in report["systems"].items() if system["available"]}
    blocks = [_heading(report)]
    if systems:
        blocks += [_scores(systems), _accepted(systems), _cost(systems), _escalation(systems)]
        blocks.append(_comparison(report["comparison"]))
    blocks.append(
        [f"{name}: not run ({system['problem']})" for name, system in report["systems"].items() if name not in systems]
    )
    blocks.append([f"{name}: {_failures(system)}" for name, system in systems.items() if system["failures"]])
    blocks.append([f"note: {note}" for note in report.get("notes", ())])
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _quality(by_field: Mapping[str, float]) -> str:
    """One figure when all fields have the same, else each field's."""
    if len(set(by_field.values())) == 1:
        return f"{next(iter(by_field.values())):g}"
    return ", ".join(f"{name} {quality:g}" for name, quality in by_field.items())


def _heading(report: Mapping[str, Any]) -> list[str]:
    data = report["data"]
    part = f"part {data['part']}" if data["part"] else "all documents"
    bootstrap = report["bootstrap"]
    return [
        f"task {report['task']}, {part}: {data['documents']} documents in {data['groups']} groups, "
        f"quality {_quality(report['quality_by_field'])}",
        f"[ ] are {bootstrap['level']:.0%} intervals: of F1 and ratios over {bootstrap['resamples']} resamples"
        " of groups, of errors exact",
    ]


def _scores(systems: Mapping[str, Any]) -> list[str]:
    measures = list(next(iter(systems.values()))["scores"])
    header = ["system", "field"]
    for measure in measures:
        header += [f"{measure} P", "R", "F1", ""]
    header += ["right", "false +", "false -"]
    rows = [header]
    for name, system in systems.items():
        lines = {"all": {measure: system["scores"][measure]["micro"] for measure in measures}}
        for field in system["scores"][measures[0]]["fields"]:
            lines[field] = {measure: system["scores"][measure]["fields"][field] for measure in measures}
        for label, scores in lines.items():
            row = [name if label == "all" else "", label]
            for measure in measures:
                score = scores[measure]
                row += [_points(score["precision"]), _points(score["recall"]), _points(score["f1"])]
                row.append(_interval(score["intervals"]["f1"]))
            counted = scores["normalised"]
            rows.append(row + [str(counted[key]) for key in ("true_positives", "false_positives", "false_negatives")])
    return [*align(rows, left=2), "(right, false + and false - are counts of the normalised measure)"]


def _accepted(systems: Mapping[str, Any]) -> list[str]:
    header = ["system", "field", "answers", "accepted"]
    rows = [[*header, "error, present", "", "errors", "error, absent", "", "errors"]]
    for name, system in systems.items():
        decisions = system["decisions"]
        for label, counted in {"all": decisions, **decisions["fields"]}.items():
            row = [name if label == "all" else "", label, str(counted["answers"]), _percent(counted["share_accepted"])]
            for kind in ("accepted_present", "accepted_absent"):
                error = counted[kind]
                row += [_percent(error["error"]), _interval(error["interval"])]
                row.append(f"{error['errors']} of {error['judged']}" if error["judged"] else _NOTHING)
            rows.append(row)
    return align(rows, left=2)


def _cost(systems: Mapping[str, Any]) -> list[str]:
    costs = [system["cost"] for system in systems.values() if system["cost"]]
    if not costs:
        return []
    used = [tier for tier in TIERS if any(tier in cost["by_tier"] for cost in costs)]
    header = ["cost a document", costs[0]["currency"], "CPU ms", *(f"of it {tier}" for tier in used)]
    rows = [[*header, "documents/s", "median ms", "p95 ms"]]
    for name, system in systems.items():
        cost, speed = system["cost"], system["speed"]
        if not cost:
            continue
        spent = [cost["by_tier"].get(tier, {}).get("cpu_seconds_per_document") for tier in used]
        rows.append(
            [
                name,
                f"{cost['amount_per_document']:.3g}",
                *(_milliseconds(seconds) for seconds in (cost["cpu_seconds_per_document"], *spent)),
                f"{speed['documents_per_second']:.1f}",
                f"{speed['median_ms']:.2f}",
                f"{speed['p95_ms']:.2f}",
            ]
        )
    return align(rows)


def _escalation(systems: Mapping[str, Any]) -> list[str]:
    cascade = systems.get("cascade")
    if not cascade:
        return []
    escalation = cascade["escalation"]
    tiers = TIERS[1:]
    rows = [["escalation of the cascade", *tiers]]
    rows.append(["requests that reached", *(_percent(escalation["requests"][tier]) for tier in tiers)])
    rows.append(["fields passed on to", *(_percent(escalation["fields"][tier]) for tier in tiers)])
    rows += [
        [f"  {name}", *(_percent(shares[tier]) for tier in tiers)] for name, shares in escalation["by_field"].items()
    ]
    return align(rows)


def _comparison(comparison: Mapping[str, Any]) -> list[str]:
    lines = []
    names = {
        "s": "s, student's cost relative to large (CPU)",
        "p": "p, share of requests that reach large",
        "cost_of_always_large": "cascade's cost, share of always large (CPU)",
    }
    for key, label in names.items():
        figure = comparison[key]
        if figure:
            lines.append(f"{label}: {_percent(figure['value'])} {_interval(figure['interval'])}")
    if not comparison["cost_of_always_large"] and comparison["cost_of_always_large_estimated"] is not None:
        share = _percent(comparison["cost_of_always_large_estimated"])
        lines.append(f"cascade's cost, share of always large (estimated from policy.json): {share}")
    for measure, figure in (comparison["cascade_less_best_tier"] or {}).items():
        interval = figure["interval"]
        shown = f"[{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]" if interval else ""
        lines.append(
            f"cascade less {figure['best']}, {measure} F1, paired: {100 * figure['value']:+.1f} points {shown}"
        )
    return [line.rstrip() for line in lines]


def _failures(system: Mapping[str, Any]) -> str:
    failures = system["failures"]
    first = failures[0]
    return (
        f"{len(failures)} of {system['documents']} documents failed and count as nothing found;"
        f" the first, {first['id']}: {first['code']}: {first['message']}"
    )


def _points(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.1f}"


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.1f} %"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _milliseconds(seconds: float | None) -> str:
    return _NOTHING if seconds is None else f"{1000 * seconds:.2f}"
