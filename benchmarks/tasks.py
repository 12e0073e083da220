"""The table of all tasks in docs/tasks.md, from the committed results; benchmarks/summary.py writes it.

For a task called NAME it reads

* ``benchmarks/results/eval-NAME-PART.json``, which ``cascade eval NAME DATA --part PART --json`` writes, for both
  validation parts (for receipts ``eval-PART.json``);
* ``models/NAME/training.json``, or ``benchmarks/results/training-NAME.json`` where the models are too large to commit;
* ``models/NAME/policy.json``, or ``benchmarks/results/policy-NAME.json``.

A task without these files is not in the table. What reading fewer windows of long documents loses comes from
``benchmarks/results/windows-NAME.json`` (:mod:`benchmarks.windows`). For models that are too large to commit,

    python benchmarks/tasks.py TASK --home HOME

writes the latter two from the ``models/TASK`` of a home: of the run's report and of the policy what the tables need.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.files import write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TASKS = ("receipts", "requests", "commands", "contracts")
PARTS = ("validation-seen", "validation-unseen")
SYSTEMS = ("rules", "student", "large", "cascade")
CHAIN = "rules+student+large"
#: The chains that the cascade may end with.
CHAINS = ("rules", "rules+student", CHAIN)
#: What is kept of a threshold.
OF_THRESHOLD = ("value", "certified", "accepted", "errors")
TARGETS = ("0.8", "0.85", "0.9", "0.95", "0.97", "0.99")


def _read(*places: Path) -> dict[str, Any] | None:
    for place in places:
        if place.is_file():
            loaded: dict[str, Any] = json.loads(place.read_text("utf-8"))
            return loaded
    return None


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _between(found: Mapping[str, Any] | None) -> str:
    if found is None or found.get("value") is None:
        return "–"
    low, high = found.get("interval") or (None, None)
    return f"{_percent(found['value'])} [{_percent(low)}, {_percent(high)}]"


def _f1(system: Mapping[str, Any], measure: str) -> str:
    micro = (system["scores"].get(measure) or {}).get("micro")
    if not micro or micro["f1"] is None:
        return "–"
    return _between({"value": micro["f1"], "interval": (micro.get("intervals") or {}).get("f1")})


def quality(task: str, report: Mapping[str, Any]) -> list[list[str]]:
    """A row a system: F1 in three measures, what it costs and how much it accepts."""
    seconds = report["systems"]["large"]
    reference = seconds["cost"]["cpu_seconds_per_document"] if seconds["available"] else None
    rows = []
    for name in SYSTEMS:
        system = report["systems"][name]
        if not system["available"]:
            continue
        spent = system["cost"]["cpu_seconds_per_document"]
        decided = system["decisions"]["accepted_present"]
        of_cascade = name == "cascade"
        rows.append(
            [
                task if name == "rules" else "",
                f"**{name}**" if of_cascade else name,
                *(_f1(system, measure) for measure in ("normalised", "strict", "span")),
                f"{1000 * spent:.2f}",
                _percent(spent / reference) if reference else "–",
                _percent(system["escalation"]["requests"]["large"]) if of_cascade else "",
                _percent(system["decisions"]["share_accepted"]) if of_cascade else "",
                f"{_percent(decided['error'])} ({decided['errors']} of {decided['judged']})" if of_cascade else "",
            ]
        )
    return rows


def difference(task: str, part: str, report: Mapping[str, Any]) -> list[str]:
    """The cascade against the task's best single tier, paired."""
    best = report["comparison"]["cascade_less_best_tier"]["normalised"]
    spent = {name: report["systems"][name]["cost"]["cpu_seconds_per_document"] for name in ("cascade", best["best"])}
    return [
        task,
        part.removeprefix("validation-"),
        best["best"],
        f"{100 * best['value']:+.1f} [{100 * best['interval'][0]:+.1f}, {100 * best['interval'][1]:+.1f}]",
        _percent(spent["cascade"] / spent[best["best"]]),
        _between(report["comparison"]["cost_of_always_large"]),
    ]


def certified(task: str, policy: Mapping[str, Any]) -> list[list[str]]:
    """For each field the strictest certified target of each chain that the cascade may end with."""
    rows: list[list[str]] = []
    for name, targets in policy["thresholds"][CHAIN].items():
        cells = []
        for chain in CHAINS:
            found = policy["thresholds"].get(chain, {}).get(name, {})
            passed = [target for target in TARGETS if found.get(target, {}).get("certified")]
            cells.append(passed[-1] if passed else "none")
        strictest = cells[-1]
        evidence = targets.get(strictest)
        cells.append(f"{evidence['errors']} of {evidence['accepted']}" if evidence else "–")
        rows.append([task if not rows else "", name, *cells])
    return rows


def training(task: str, run: Mapping[str, Any], policy: Mapping[str, Any]) -> list[str]:
    """What was trained on what, and how long it took."""
    parts = run["data"]["parts"]
    machine = run["hardware"]
    return [
        task,
        str(parts["train"]),
        str(policy["about"]["calibration"]["documents"]),
        str(sum(parts.get(part, 0) for part in PARTS)),
        f"{run['training_hours']:.1f}",
        f"{machine['cpu']}, {machine['cores']} cores",
        f"`{run['command']}`",
    ]


def windows(task: str, found: Mapping[str, Any]) -> list[list[str]]:
    """A row for every way to read a task's long documents."""
    rows = []
    for name, row in found["systems"].items():
        compared = row["compared_with"] != name
        low, high = row["f1_difference_interval"]
        rows.append(
            [
                task if not rows else "",
                f"**{name}**" if name == "cascade" else name,
                _between({"value": row["f1"], "interval": row["interval"]}),
                f"{row['tokens_a_document']:,.0f}",
                f"{row['cpu_ms_a_document']:,.0f}",
                f"{100 * row['f1_difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" if compared else "",
                _between({"value": row["cost_share"], "interval": row["cost_share_interval"]}) if compared else "",
            ]
        )
    return rows


def _long_documents() -> list[str]:
    """The paragraphs on windows, where a task's were measured."""
    paragraphs: list[str] = []
    for task in TASKS:
        found = _read(RESULTS / f"windows-{task}.json")
        if found is None:
            continue
        header = ["task", "read", "normalised F1", "tokens read", "CPU ms", "F1 less that of every window", "cost"]
        paragraphs += [
            f"**Long documents**: what reading fewer windows loses and saves, on the {found['documents']} documents of"
            f" `{found['part']}`, of {found['mean_characters']:,} characters on average; as a student or large tier"
            " alone, and as the cascade. F1 and cost, in per cent, are compared with those of the same tier from every"
            " window, the cascade's with the large tier's.",
            _table(header, windows(task, found)),
            f"`{found['command']}`",
        ]
    return paragraphs


def render() -> str:
    """The text between the markers of docs/tasks.md."""
    scores: dict[str, list[list[str]]] = {part: [] for part in PARTS}
    runs, differences, targets, commands = [], [], [], []
    for task in TASKS:
        policy = _read(RESULTS / f"policy-{task}.json", ROOT / "models" / task / "policy.json")
        run = _read(RESULTS / f"training-{task}.json", ROOT / "models" / task / "training.json")
        prefix = "eval" if task == "receipts" else f"eval-{task}"
        reports = {part: _read(RESULTS / f"{prefix}-{part}.json") for part in PARTS}
        if policy is None or run is None or not any(reports.values()):
            continue
        runs.append(training(task, run, policy))
        targets += certified(task, policy)
        for part, report in reports.items():
            if report is not None:
                scores[part] += quality(task, report)
                differences.append(difference(task, part, report))
                commands.append(report["provenance"]["command"])
    header = ["task", "system", "normalised F1", "strict F1", "span F1", "CPU ms", "of large", "p", "accepted", "wrong"]
    return "\n\n".join(
        [
            _table(["task", "trained on", "calibrated on", "validated on", "hours", "hardware", "command"], runs),
            "**New groups** (`validation-unseen`: merchants, guests or texts unlike those of training). In per cent;"
            " intervals are 95 %, from a bootstrap over groups.",
            _table(header, scores["validation-unseen"]),
            "**Known groups** (`validation-seen`).",
            _table(header, scores["validation-seen"]),
            "**Cascade less the best single tier**, normalised F1 in points, paired; its cost as a share of that tier's"
            " and of the large tier's on every document.",
            _table(
                ["task", "part", "best tier", "difference", "cost of best tier's", "cost of always large"], differences
            ),
            "**Certified targets**: the strictest one a field and chain, and the wrong among the accepted values of the"
            " whole chain on the calibration documents at that target.",
            _table(["task", "field", "rules", "rules+student", "all", "wrong"], targets),
            *(f"`{command}`" for command in commands),
            *_long_documents(),
        ]
    )


def keep(task: str, home: Path) -> None:
    """Write a task's ``training-TASK.json`` and ``policy-TASK.json``."""
    models = home / "models" / task
    run, policy = (json.loads((models / name).read_text("utf-8")) for name in ("training.json", "policy.json"))
    of_run = ("task", "command", "created", "hardware", "stage_seconds", "training_hours", "data")
    kept = {name: run[name] for name in of_run}
    kept["data"] = {name: value for name, value in run["data"].items() if name != "fields"}
    write_json(RESULTS / f"training-{task}.json", kept)
    about = {name: policy[name] for name in ("format", "task", "delta", "about", "estimates")}
    whole = {chain: policy["whole"].get(chain, {}) for chain in CHAINS}
    thresholds = {
        chain: {
            name: {target: {key: found[key] for key in OF_THRESHOLD} for target, found in targets.items()}
            for name, targets in policy["thresholds"].get(chain, {}).items()
        }
        for chain in CHAINS
    }
    write_json(RESULTS / f"policy-{task}.json", {**about, "whole": whole, "thresholds": thresholds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    keep(options.task, options.home)


if __name__ == "__main__":
    main()
