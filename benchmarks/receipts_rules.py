"""Two versions of a task's rules side by side: coverage, precision and time, on the same documents in one run.

Usage: git worktree add /tmp/before 2a8854c
       python benchmarks/receipts_rules.py --before /tmp/before --data ../shared/data/receipts/train.jsonl \
           --out benchmarks/results/receipts-rules.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from gateway.document import Document
from gateway.evaluation.bounds import clopper_pearson
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.metrics import expected_values, is_right
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.evaluation.split import Split
from gateway.files import write_json
from gateway.home import Home
from gateway.task import TaskSpec
from gateway.tiers.rules.tier import RulesTier

TASK = "receipts"
PARTS = ("development", "validation-seen", "validation-unseen")
ROUNDS = 5


def quality(tier: RulesTier, task: TaskSpec, documents: list[LabelledDocument]) -> dict[str, Any]:
    """By field: annotated documents, how many the rules answered, and how many of those are right."""
    counts = {name: [0, 0, 0] for name in task.fields}
    for document in documents:
        [output] = tier.propose([Document(document.text)], list(task.fields))
        for name in task.fields:
            expected = expected_values(task, document, name)
            if expected is None:
                continue
            best = output.proposals[name].best
            counts[name][0] += 1
            counts[name][1] += best is not None
            counts[name][2] += best is not None and is_right(task, name, expected, [best.value])
    totals = [sum(count[index] for count in counts.values()) for index in range(3)]
    return {name: figures(*count) for name, count in {**counts, "all": totals}.items()}


def figures(annotated: int, answered: int, right: int) -> dict[str, Any]:
    wrong_low, wrong_high = clopper_pearson(answered - right, answered) if answered else (0.0, 1.0)
    return {
        "annotated": annotated,
        "answered": answered,
        "right": right,
        "coverage": round(answered / max(1, annotated), 4),
        "precision": round(right / max(1, answered), 4),
        "precision_95": [round(1 - wrong_high, 4), round(1 - wrong_low, 4)],
    }


def milliseconds(tiers: dict[str, RulesTier], task: TaskSpec, documents: list[LabelledDocument]) -> dict[str, float]:
    """Median processor time of a document, the versions taking turns on each."""
    spent: dict[str, list[float]] = {name: [] for name in tiers}
    fields = list(task.fields)
    for _ in range(ROUNDS):
        for document in documents:
            for name, tier in tiers.items():
                began = time.thread_time()
                tier.propose([Document(document.text)], fields)
                spent[name].append(time.thread_time() - began)
    return {name: round(1000 * statistics.median(found), 3) for name, found in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="a home with the earlier rules")
    parser.add_argument("--home", type=Path, default=Path())
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    home = Home(options.home)
    task = home.task(TASK)
    tiers = {
        "before": RulesTier.load(options.before / "rules", task),
        "after": RulesTier.load(home.rules, task),
    }
    documents = read_dataset(options.data)
    split = Split.load(home.models / TASK / "split.json")
    parts = {part: split.select(documents, part) for part in PARTS}
    write_json(
        options.out,
        {
            "what": "the receipts rules before and after; both run by the same code, median ms over development",
            "command": command_line(sys.argv),
            "hardware": hardware(),
            "versions": versions(),
            "rules": {name: {"digest": tier.version, "rules": len(tier.sources)} for name, tier in tiers.items()},
            "quality": {
                part: {name: quality(tier, task, found) for name, tier in tiers.items()}
                for part, found in parts.items()
            },
            "milliseconds": milliseconds(tiers, task, parts["development"]),
        },
    )


if __name__ == "__main__":
    main()
