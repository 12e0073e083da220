"""Latency, size and quality of the model tiers, in one run: student (int8) and large (fp32, bf16, int8).

    python benchmarks/tiers.py --data ../shared/data/receipts/train.jsonl --out benchmarks/results/tiers.json

Documents are the development part of the task (no figure here is used to choose anything but the large tier's numeric
mode). All systems answer each document in turn, one after the other, so that a busy machine slows all alike; medians
over documents, and ratios to the large tier in its fastest mode that keeps F1 within half a point.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gateway.bases import load_bases
from gateway.document import Document, Proposal
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split
from gateway.files import write_json
from gateway.home import find_home
from gateway.task import TaskSpec
from gateway.tiers.forms import Forms
from gateway.tiers.large.local import LARGE_MODES, built_path, load_large
from gateway.tiers.model import ModelTier
from gateway.tiers.rules.tier import RulesTier
from gateway.tiers.student import load_student
from gateway.values import equal
from training.card import hardware

#: F1 points (of 100) a faster numeric mode may lose.
GATE_POINTS = 0.5


def f1(task: TaskSpec, predictions: list[dict[str, Proposal]], labels: list[dict[str, Any]]) -> float:
    """Normalised micro F1 (0 to 100) of the best candidates."""
    right = wrong = missed = 0
    for found, expected in zip(predictions, labels, strict=True):
        for name, field in task.fields.items():
            value = expected.get(name)
            if value is None:
                continue
            best = found[name].best if name in found else None
            if best is not None and equal(field.type, best.value, value, options=task.options):
                right += 1
            else:
                missed += 1
                wrong += best is not None
    return 100 * 2 * right / (2 * right + wrong + missed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="receipts")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", default="development")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    home = find_home(None)
    task = home.task(arguments.task)
    models = home.models / task.name
    forms = Forms.load(models / "forms.json")
    split = Split.load(models / "split.json")
    documents = split.select(read_dataset(arguments.data), arguments.part)[: arguments.limit]
    bases = load_bases(home)
    student = load_student(models / "student", task, forms, threads=arguments.threads)
    systems: dict[str, ModelTier | RulesTier] = {"rules": RulesTier.load(home.rules, task), "student-int8": student}
    for mode in LARGE_MODES:
        base = bases["all-mpnet-base-v2"]
        systems[f"large-{mode}"] = load_large(
            models / "large", task, forms, base, home.cache, mode=mode, threads=arguments.threads
        )
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    cpu: dict[str, list[float]] = {name: [] for name in systems}
    predictions: dict[str, list[dict[str, Proposal]]] = {name: [] for name in systems}
    fields = tuple(task.fields)
    for system in systems.values():
        system.propose([Document(documents[0].text)], fields)
    for item in tqdm(documents, unit="document"):
        for name, system in systems.items():
            clock: Callable[[], float] = time.perf_counter
            started, used = clock(), time.process_time()
            output = system.propose([Document(item.text)], fields)[0]
            seconds[name].append(clock() - started)
            cpu[name].append(time.process_time() - used)
            predictions[name].append(dict(output.proposals))
    labels = [dict(item.labels) for item in documents]
    scores = {name: f1(task, found, labels) for name, found in predictions.items()}
    exact = scores["large-fp32"]
    usable = [name for name in systems if name.startswith("large") and exact - scores[name] <= GATE_POINTS]
    reference = min(usable, key=lambda name: statistics.mean(cpu[name]))
    sizes = {
        "student-int8": (models / "student" / "model.onnx").stat().st_size,
        "large-int8": built_path(models / "large", home.cache, bases["all-mpnet-base-v2"]).stat().st_size,
        "large-fp32": (home.cache / "bases" / "all-mpnet-base-v2" / "model.safetensors").stat().st_size,
        "adapter": (models / "large" / "adapter.safetensors").stat().st_size,
    }
    rows = {
        name: {
            "median_ms": round(1000 * statistics.median(seconds[name]), 3),
            "p95_ms": round(1000 * statistics.quantiles(seconds[name], n=20)[-1], 3),
            "mean_cpu_ms": round(1000 * statistics.mean(cpu[name]), 3),
            "cpu_share_of_reference": round(statistics.mean(cpu[name]) / statistics.mean(cpu[reference]), 4),
            "normalised_f1": round(scores[name], 2),
        }
        for name in systems
    }
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "hardware": hardware(),
        "threads": arguments.threads,
        "part": arguments.part,
        "documents": len(documents),
        "mean_characters": round(statistics.mean(len(item.text) for item in documents)),
        "reference": reference,
        "bytes": sizes,
        "systems": rows,
    }
    for name, row in rows.items():
        print(f"{name:14} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    print(f"fastest large mode within {GATE_POINTS} F1 of float32: {reference}")
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
