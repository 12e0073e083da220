"""Drafted rules on documents that they were not made from, by data set and field; beside hand-written ones on receipts.

For each data set a task is begun (`cascade task new`; the receipts task is the project's own), split, and drafted for,
all in a temporary home. `unseen` is five-fold cross-validation over the training part with everything repeated without
each fold: proposing, joining, choosing. On receipts both the drafted and the hand-written rules are also run on the
development part, which neither was made from.

Usage: python benchmarks/drafting.py --data ../shared/data --out benchmarks/results/drafted-rules.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway.evaluation.bounds import clopper_pearson
from gateway.evaluation.dataset import LabelledDocument, file_digest, read_dataset
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.evaluation.split import Split
from gateway.files import write_json, write_text
from gateway.home import Home
from gateway.task import TaskSpec
from gateway.tiers.rules.measure import measure
from gateway.tiers.rules.tier import RulesTier
from gateway.values import ValueType
from training.data.importing import import_data
from training.drafting.run import DraftSettings, Written, draft_rules, training_documents, write_rules
from training.drafting.selecting import Demand
from training.drafting.task_file import draft_task

TASKS = ("requests", "receipts", "contracts", "commands")
#: Fields whose values nearly all have a type, and whose others are clauses that hold one.
TYPES: dict[str, dict[str, ValueType]] = {"contracts": {"agreement_date": "date", "effective_date": "date"}}
FIELDS = {
    "contracts": ("document_name", "parties", "agreement_date", "effective_date", "governing_law_normalised"),
}


def begin(name: str, source: Path, scratch: Path, project: Home) -> tuple[Home, Path]:
    """A home with the task, and its data."""
    home = Home(scratch / name)
    data = source / name / "train.jsonl"
    shutil.copytree(project.rules / "library", home.rules / "library")
    if name in project.tasks():
        write_text(home.rules / name / "task.yaml", (project.rules / name / "task.yaml").read_text("utf-8"))
        split = project.models / name / "split.json"
        if split.is_file():
            write_text(home.models / name / "split.json", split.read_text("utf-8"))
        return home, data
    # Fields whose names no task allows are renamed on the way.
    renamed = scratch / f"{name}.jsonl"
    import_data("jsonl", data, renamed)
    text = draft_task(name, read_dataset(renamed), FIELDS.get(name, ()), TYPES.get(name))
    write_text(home.rules / name / "task.yaml", text)
    return home, renamed


def field_figures(item: Written) -> dict[str, Any]:
    unseen = item.draft.unseen
    return {
        "documents": item.draft.documents,
        "valued": item.draft.valued,
        "proposed": item.draft.proposed,
        "rules": len(item.rules),
        "unseen": proportions(unseen.expected, unseen.answered, unseen.right),
        "least_bound": min((round(rule.drafted.figures.lower_bound, 4) for rule in item.rules), default=None),
    }


def proportions(expected: int, answered: int, right: int) -> dict[str, Any]:
    low, high = clopper_pearson(answered - right, answered) if answered else (0.0, 1.0)
    return {
        "expected": expected,
        "answered": answered,
        "right": right,
        "coverage": round(right / max(1, expected), 4),
        "precision": round(right / answered, 4) if answered else None,
        "precision_95": [round(1 - high, 4), round(1 - low, 4)],
    }


def compare(rules: Path, task: TaskSpec, documents: list[LabelledDocument]) -> dict[str, Any]:
    """By field, how the best candidates of rules do."""
    figures = measure(RulesTier.load(rules, task), documents)
    return {name: proportions(found.documents, found.best.found, found.best.right) for name, found in figures.items()}


def run(name: str, source: Path, project: Home, precision: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        home, data = begin(name, source, Path(scratch), project)
        task = home.task(name)
        documents = training_documents(home, task, data)
        wall, cpu = time.perf_counter(), time.process_time()
        written = draft_rules(home.rules, task, documents, (), DraftSettings(precision), progress=True)
        seconds = {"cpu": round(time.process_time() - cpu, 1), "wall": round(time.perf_counter() - wall, 1)}
        write_rules(home.rules / name, written)
        found: dict[str, Any] = {
            "data_sha256": file_digest(source / name / "train.jsonl"),
            "train_documents": len(documents),
            "seconds": seconds,
            "fields": {field: field_figures(item) for field, item in written.items()},
        }
        if name in project.tasks() and any((project.rules / name).glob("[!t]*.yaml")):
            development = Split.load(home.models / name / "split.json").select(read_dataset(data), "development")
            found["development"] = {
                "documents": len(development),
                "drafted": compare(home.rules, task, development),
                "hand_written": compare(project.rules, task, development),
            }
        return found


def table(results: dict[str, Any]) -> str:
    """The figures as docs/drafting.md shows them."""
    lines = [
        "| data set | field | documents | with a value | rules | coverage | precision (95 %) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in results["tasks"].items():
        for field, item in found["fields"].items():
            unseen = item["unseen"]
            low, high = unseen["precision_95"]
            precision = f"{unseen['precision']:.3f} ({low:.3f} to {high:.3f})" if unseen["answered"] else "-"
            lines.append(
                f"| {name} | {field} | {item['documents']} | {item['valued']} | {item['rules']}"
                f" | {unseen['coverage']:.3f} | {precision} |"
            )
    lines += [""]
    lines += [
        "| receipts, development part | drafted: coverage, precision | hand-written: coverage, precision |",
        "|---|---|---|",
    ]
    development = results["tasks"].get("receipts", {}).get("development", {"drafted": {}, "hand_written": {}})
    for field, drafted in development["drafted"].items():
        cells = [
            f"{item['coverage']:.2f}, {'-' if item['precision'] is None else format(item['precision'], '.3f')}"
            for item in (drafted, development["hand_written"][field])
        ]
        lines.append(f"| {field} | {cells[0]} | {cells[1]} |")
    lines += [""]
    times = ", ".join(f"{name} {found['seconds']['cpu']:.0f} s" for name, found in results["tasks"].items())
    cpu = next(iter(results["tasks"].values()))["hardware"]["cpu"]
    lines.append(f"Processor time on one core ({cpu}): {times}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the directory of data sets")
    parser.add_argument("--home", type=Path, default=Path())
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--precision", type=float, default=0.9)
    parser.add_argument("--out", type=Path, required=True, help="results of other data sets in it are kept")
    options = parser.parse_args()
    kept = json.loads(options.out.read_text("utf-8"))["tasks"] if options.out.is_file() else {}
    for name in options.tasks:
        # The quality that most tasks have goes without saying.
        usual = options.precision == Demand.precision
        kept[name if usual else f"{name}, --precision {options.precision:g}"] = {
            **run(name, options.data, Home(options.home.absolute()), options.precision),
            "command": command_line(sys.argv),
            "hardware": hardware(),
            "versions": versions(),
            "precision": options.precision,
            "seed": DraftSettings().seed,
        }
        write_json(
            options.out,
            {"what": "drafted rules on unseen folds of the training part", "tasks": dict(sorted(kept.items()))},
        )


if __name__ == "__main__":
    main()
