"""The measured part of docs/guarantee.md, from the committed result files; benchmarks/summary.py writes it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
#: What the groups of a task's documents are.
_GROUPS = {"receipts": "merchants", "requests": "guests"}
WAYS = ("certified", "hand-set 0.5", "hand-set 0.9", "own scores 0.9", "always large")


def _load(name: str) -> dict[str, Any] | None:
    path = RESULTS / name
    if not path.is_file():
        return None
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def simulation(found: dict[str, Any]) -> str:
    """Violations and cost on tiers whose error rates are known (benchmarks/thresholds.py)."""
    rows = []
    for row in found["rows"]:
        ways, hindsight = row["ways"], row["hindsight"]
        certified, naive = ways["certified"], ways["naive"]
        rows.append(
            [
                "true" if row["boast"] == 1 else "overstated",
                f"{row['target']:g}",
                str(row["calibration"]),
                f"{certified['broken']} of {certified['repeats']}",
                f"{certified['broken']} of {certified['certified']}",
                f"{naive['broken']} of {naive['repeats']}",
                _percent(certified["certified"] / certified["repeats"]),
                f"{certified['cost']:.2f}",
                "–" if hindsight is None else f"{hindsight['cost']:.2f}",
            ]
        )
    header = [
        "probabilities",
        "target",
        "labels",
        "broken",
        "of certified",
        "broken, untested",
        "certified, %",
        "cost",
        "in hindsight",
    ]
    return (
        "**Simulated tiers with known error rates.** How often the threshold that was certified breaks its target in"
        " the whole\npopulation: of all repeats, of which at most 5 % may, and of those where anything was certified."
        " How often the one\nbreaks it that just looked good enough; how often anything is certified; and the mean cost"
        " (a field left in review\ncosts as much as the large tier) beside that of the best single threshold in"
        " hindsight.\n\n" + _table(header, rows) + f"\n\n`{found['command']}`"
    )


def optional(found: dict[str, Any]) -> str:
    """The same of fields that most documents lack: values and absences, each with its own certificate."""
    rows = [
        [
            "true" if row["boast"] == 1 else "overstated",
            f"{row['target']:g}",
            _percent(row["absent"]),
            str(row["calibration"]),
            f"{row['broken']} of {row['repeats']}",
            _percent(row["certified"] / row["repeats"]),
            f"{row['broken_absent']} of {row['repeats']}",
            _percent(row["certified_absent"] / row["repeats"]),
        ]
        for row in found["rows"]
    ]
    header = ["probabilities", "target", "absent, %", "labels"]
    header += ["values: broken", "certified, %", "absences: broken", "certified, %"]
    return (
        "**A field that most documents lack**, simulated: how often the certificate of its values breaks its target,"
        " and how often that of its\nabsences; of all repeats, of which at most 5 % may.\n\n"
        + _table(header, rows)
        + f"\n\n`{found['command']}`"
    )


def resplits(found: dict[str, Any]) -> str:
    """Certified thresholds and others on the judged halves (benchmarks/resplits.py)."""
    group = _GROUPS.get(found["task"], "groups")
    lines = [
        (unit, target, way, ways[way])
        for kind, unit in (("by_documents", "documents"), ("by_merchants", group))
        for target, ways in found[kind].items()
        for way in WAYS
    ]
    # Fields that every document has are never absent.
    absences = any((one.get("absences") or {}).get("accepted") for *_, one in lines)
    rows = []
    for unit, target, way, one in lines:
        figures = ("certified", "accepted", "error", "violations", "reached_student", "reached_large", "cost")
        row = [unit, target, way, *(_percent(one[figure]) for figure in figures)]
        if absences:
            row += [_percent(one["absences"][figure]) for figure in ("certified", "error", "violations")]
        rows.append(row)
    header = ["halves of", "target", "way", "certified", "accepted", "error", "violations", "student", "large", "cost"]
    also = ""
    if absences:
        header += ["absent: certified", "error", "violations"]
        also = " The last three columns say of accepted absences what the others say of values."
    return (
        f"**{found['repeats']:,} resplits** of {found['documents']:,} {found['task']} of {found['merchants']} {group}"
        f" ({' and '.join(found['parts'])}), which no rule, model\nor combiner has seen: thresholds are certified on"
        " one half and judged on the other. In per cent: fields certified; answers\naccepted; wrong among accepted"
        " values; fields whose accepted values err more in the judged half than the target allows (a\nhalf is small,"
        " some do by chance); documents that reached the student and the large tier (p); cost as a share of the\nlarge"
        f" tier on every one. Hand-set thresholds promise nothing.{also}\n\n"
        + _table(header, rows)
        + f"\n\n`{found['command']}`"
    )


def surest(found: dict[str, Any]) -> str:
    """What the labels themselves allow (benchmarks/surest.py)."""
    verdicts = found["verdicts"]
    return (
        f"**Labels are the limit.** Of the {found['sure']:,} values of {found['task']} that the whole chain is at least"
        f" {found['confidence']:g} sure of in {found['documents']:,} documents of\nthe development part,"
        f" {found['wrong']} count as wrong: {_percent(found['wrong'] / found['sure'])} %. Whoever reads them finds that"
        f" in {verdicts.get('label', 0)} the label is missing, cut differently or\nwrong, in"
        f" {verdicts.get('answer', 0)} the answer is, and that {verdicts.get('unclear', 0)} could be either. A"
        " target of 0.99 for values is out of reach of any tier with such labels.\n\n"
        f"`{found['command']}`"
    )


def escalation(found: dict[str, Any]) -> str:
    """Other ways to escalate (benchmarks/escalation.py)."""
    rows = []
    for quality in ("default", "0.9", "0.95", "0.97"):
        for way, one in found["qualities"].get(quality, {}).items():
            figures = ("cost", "reached_student", "reached_large", "accepted", "error", "right")
            rows.append([quality, way, *(_percent(one[figure]) for figure in figures)])
    header = ["quality", "way", "cost", "student", "large", "accepted", "error", "right"]
    return (
        f"**Ways to escalate**, replayed on {found['documents']:,} {found['task']} ({' and '.join(found['parts'])})."
        " In per cent: cost as a share of the\nlarge tier on every document; documents that reached the tiers; answers"
        " accepted; wrong among accepted values; answers whose\nbest candidate is right, accepted or not.\n\n"
        + _table(header, rows)
        + f"\n\n`{found['command']}`"
    )


def combiners(found: dict[str, Any]) -> str:
    """Choices in the combiners (benchmarks/combiners.py)."""
    ways = ("ignored", "apart", "left out")
    losses = [[chain, *(f"{of[way]:.3f}" for way in ways)] for chain, of in found["seen_rules"].items()]
    orders = [[chain, str(of["kept"]), str(of["anew"]), str(of["answers"])] for chain, of in found["order"].items()]
    return (
        "**Rules that look better than they are** (simulated): mean log loss on fresh documents when the difference is"
        " ignored, when it\nhas weights of its own (as calibration does), and when documents that rules were written"
        " on are left out.\n\n"
        + _table(["chain", *ways], losses)
        + "\n\n**Who orders a tier's candidates** (development receipts, left out by merchant): right answers when each"
        " tier keeps its own\norder, and when the combiner orders them anew.\n\n"
        + _table(["chain", "kept", "anew", "of"], orders)
        + f"\n\n`{found['command']}`"
    )


def _charts(name: str) -> list[tuple[str, str, list[dict[str, str]]]]:
    """Task, part and lines of every committed chart, which ``cascade eval --charts`` writes."""
    found = []
    for path in sorted((RESULTS / "charts").glob(f"*/*/{name}.csv")):
        with path.open(encoding="utf-8") as stream:
            found.append((path.parent.parent.name, path.parent.name, list(csv.DictReader(stream))))
    return found


def curves() -> str:
    """What each target costs and brings beside the single tiers and the oracle (``cascade eval --charts``)."""
    rows = []
    for task, part, lines in _charts("curve"):
        for line in lines:
            if line["kind"] == "threshold":
                continue
            name = f"quality {line['name']}" if line["kind"] == "target" else line["name"]
            shares = ("cost", "student_share", "large_share", "accepted_share", "selective_error", "right_share")
            certified = {"true": "yes", "false": "no"}[line["certified"]] if line["kind"] == "target" else ""
            rows.append([task, part, name, certified, *(_percent(_number(line[share])) for share in shares)])
    if not rows:
        return ""
    header = ["task", "part", "way", "certified", "cost", "student", "large", "accepted", "error", "right"]
    return (
        "**Cost and quality.** Each tier alone, the cascade at each quality asked for (certified: for every field), and"
        " the oracle, which takes\neach field from the cheapest tier that is right. In per cent: cost as a share of the"
        " large tier on every document; documents that\nreached the tiers; answers accepted; wrong among accepted"
        " values; answers whose best candidate is right, accepted or not.\n\n" + _table(header, rows)
    )


def reliability() -> str:
    """How probabilities came true before and after combining (``cascade eval --charts``)."""
    rows = []
    for task, part, lines in _charts("reliability"):
        for name in dict.fromkeys(line["name"] for line in lines):
            line = next(line for line in lines if line["name"] == name)
            figures = (line[figure] for figure in ("error", "brier", "log_loss", "answers"))
            rows.append([task, part, name, *figures])
    if not rows:
        return ""
    return (
        "**Probabilities.** How the probability of the best value came true: each tier's own score, what the combiner"
        " makes of it, and of all\ntiers together. `error` is the expected calibration error in ten bins of equal"
        " count (biased upwards where answers are few).\n\n"
        + _table(["task", "part", "probability", "error", "Brier", "log loss", "answers"], rows)
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def render() -> str:
    """All that has been measured; what has not is left out."""
    parts = {
        "thresholds.json": simulation,
        "thresholds-optional.json": optional,
        "resplits.json": resplits,
        "resplits-requests.json": resplits,
        "surest-requests.json": surest,
        "escalation.json": escalation,
        "escalation-requests.json": escalation,
        "combiners.json": combiners,
    }
    pages = [write(found) for name, write in parts.items() if (found := _load(name)) is not None]
    return "\n\n".join(page for page in [*pages, curves(), reliability()] if page)
