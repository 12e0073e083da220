"""What the surest answers get wrong: how strict a target the labels themselves allow.

    python -m benchmarks.surest --task requests --data ../shared/data/requests/train.jsonl \
        --verdicts benchmarks/results/surest-verdicts-requests.csv --out benchmarks/results/surest-requests.json

Takes the documents that combiners were fitted on, not those that thresholds are certified on. Of the values that the
whole chain is at least ``--confidence`` sure of it counts the wrong ones; ``--verdicts`` says what a person who read
those texts made of each (``label``: the label is missing, cut differently or wrong; ``answer``: the answer is wrong;
``unclear``). A target that is stricter than the share of wrong labels cannot be certified with any tier.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.observed import observe_task
from gateway.document import TIERS
from gateway.evaluation.metrics import expected_values
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.files import write_json
from training.calibrate.trials import trials

VERDICTS = ("label", "answer", "unclear")


def read_verdicts(path: Path) -> dict[tuple[str, str], str]:
    """(field, document id) to verdict."""
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["field"], row["id"]): row["verdict"] for row in csv.DictReader(file)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--confidence", type=float, default=0.97)
    parser.add_argument("--verdicts", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    setting = observe_task(options.task, options.data, [])
    verdicts = read_verdicts(options.verdicts) if options.verdicts else {}
    chain = tuple(tier for tier in TIERS if tier in setting.fitting[0].outputs)
    fields: dict[str, Any] = {}
    wrong: list[dict[str, Any]] = []
    for name in setting.task.fields:
        annotated = [item for item in setting.fitting if expected_values(setting.task, item.document, name) is not None]
        found = trials(annotated, chain, setting.policy.combiners, setting.task, name, setting.policy.absence)
        sure = [
            (item, trial.stages[-1])
            for item, trial in zip(annotated, found, strict=True)
            if trial.stages[-1].present and trial.stages[-1].probability >= options.confidence
        ]
        fields[name] = {"sure": len(sure), "wrong": sum(not stage.right for _, stage in sure)}
        for item, stage in sure:
            if not stage.right:
                verdict = verdicts.get((name, item.document.id))
                about = {"field": name, "id": item.document.id, "confidence": round(stage.probability, 4)}
                wrong.append({**about, "verdict": verdict})
    counts = Counter(str(one["verdict"]) for one in wrong)
    write_json(
        options.out,
        {
            "what": "wrong ones among the surest values, and what reading them says; see benchmarks/surest.py",
            "command": command_line(sys.argv),
            "hardware": hardware(),
            "versions": versions(),
            "task": options.task,
            "documents": len(setting.fitting),
            "confidence": options.confidence,
            "sure": sum(one["sure"] for one in fields.values()),
            "wrong": len(wrong),
            "verdicts": {verdict: counts[verdict] for verdict in (*VERDICTS, "None") if counts[verdict]},
            "fields": fields,
            "answers": wrong,
        },
    )


if __name__ == "__main__":
    main()
