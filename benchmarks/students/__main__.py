"""Student sizes against latency and F1, with a conditional random field beside them, on one data set in one run.

    python -m benchmarks.students --task requests --data ../shared/data/requests/train.jsonl \
        [--teacher WORK/teacher.npz] [--families narrow-3x128,conv-6x128] [--epochs 12] [--seeds 0] \
        [--json benchmarks/results/students.json] [--render]

Every family is trained by the task's recipe, as `cascade train` trains its student (on labels, and on a teacher's
probabilities where a file of them is given), exported, quantised, and judged as it would be served: int8 ONNX, one
thread, best candidates, on the development part. The other parts are not looked at. Intervals come from a bootstrap
over groups of documents; each family is compared with the conditional random field on the same resamples. At the end
all of them answer the same documents, one after the other, so that a busy machine slows all alike.

What is finished is kept in --work: the same command goes on where it was interrupted. --limit makes a trial of few
documents. --render writes the table into docs/students.md.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.students.page import TOKENS, render, write_page
from benchmarks.students.reading import crf_reader, reader, scores_of, time_readers
from benchmarks.students.runs import CRF, Runs, crf_files
from gateway.errors import CascadeError
from gateway.evaluation.bootstrap import GroupBootstrap
from gateway.evaluation.provenance import hardware, versions
from gateway.files import write_json
from gateway.home import find_home
from training.baselines.crf import Crf
from training.data.split import group_documents, grouping_fields
from training.experiments.material import load_material
from training.families import FAMILIES, Family, find_family
from training.families.latency import time_models
from training.recipe import load_recipe, recipe_of


def assemble(runs: Runs, families: Sequence[Family], seeds: Sequence[int], timed: int, rounds: int) -> dict[str, Any]:
    """Train what is not trained, then time everything side by side."""
    material = runs.material
    crf = runs.crf()
    students = {family.name: [runs.student(family, seed) for seed in seeds] for family in families}
    everything = [*material.train, *material.development]
    groups = group_documents(everything, grouping_fields(everything, material.task))
    bootstrap = GroupBootstrap([str(groups[document.id]) for document in material.development])
    models = {family.name: runs.directory(family.name, seeds[0]) / "model.onnx" for family in families}
    readers = {family.name: reader(material, family, models[family.name]) for family in families}
    readers[CRF] = crf_reader(material, Crf(material.fields, crf_files(runs.directory(CRF, 0))))
    by_document = time_readers(readers, material.development[:timed])
    by_tokens = time_models(models, TOKENS, rounds=rounds)
    rows: dict[str, Any] = {
        CRF: {
            "scores": scores_of(material, [crf], crf, bootstrap),
            "fields": crf["counts"]["fields"],
            "bytes": crf["bytes"],
            "seconds_to_train": crf["seconds_to_train"],
            "milliseconds_a_document": round(statistics.median(by_document[CRF]), 3),
        }
    }
    for family in families:
        found = students[family.name]
        rows[family.name] = {
            "kind": family.kind,
            "parameters": found[0]["parameters"],
            "computing_parameters": family.computing,
            "starts_from": family.starts_from,
            "scores": scores_of(material, found, crf, bootstrap),
            "fields": found[0]["counts"]["fields"],
            "float32_f1": [run["float32_f1"] for run in found],
            "passes_the_export_gate": [run["passes_the_export_gate"] for run in found],
            "bytes": found[0]["bytes"],
            "epochs": found[0]["epochs"],
            "seconds_to_train": [run["seconds_to_train"] for run in found],
            "milliseconds_a_document": round(statistics.median(by_document[family.name]), 3),
            f"milliseconds_{TOKENS}_tokens": round(statistics.median(by_tokens[family.name]), 3),
        }
    return {
        "command": shlex.join(["python", "-m", "benchmarks.students", *sys.argv[1:]]),
        "hardware": hardware(),
        "versions": versions(),
        # Latencies are longer where others compute too; systems take turns, so that their ratios hold.
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "threads": {"training": torch.get_num_threads(), "serving": 1},
        "seeds": list(seeds),
        "task": material.task.name,
        "data_sha256": material.data_digest,
        "documents": {
            "train": len(material.train),
            "development": len(material.development),
            "groups": bootstrap.groups,
            "timed": len(material.development[:timed]),
        },
        "teacher": runs.teacher is not None,
        "epochs": runs.recipe.loop.epochs,
        "systems": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="requests")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/requests/train.jsonl"))
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--epochs", type=int, help="instead of those in the task's recipe")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--limit", type=int, help="most documents of each part, for a trial")
    parser.add_argument("--timed", type=int, default=200, help="documents that are timed")
    parser.add_argument("--rounds", type=int, default=40, help=f"passes over {TOKENS} tokens that are timed")
    parser.add_argument("--threads", type=int, default=0, help="of training; 0: torch decides")
    parser.add_argument("--work", type=Path, default=Path(".cascade/students"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--render", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    families = [find_family(name) for name in arguments.families.split(",")]
    material = load_material(
        find_home(None),
        arguments.task,
        arguments.data,
        arguments.work,
        teacher=arguments.teacher,
        limit=arguments.limit,
    )
    recipe = load_recipe(recipe_of(arguments.task)).student
    epochs = arguments.epochs or recipe.loop.epochs
    loop = replace(recipe.loop, epochs=epochs, soft_weight=recipe.loop.soft_weight if arguments.teacher else 0.0)
    runs = Runs(material, arguments.work, replace(recipe, loop=loop), arguments.teacher)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    result = assemble(runs, families, seeds, arguments.timed, arguments.rounds)
    print(render(result))
    if arguments.json:
        write_json(arguments.json, result)
    if arguments.render:
        write_page(result)


if __name__ == "__main__":
    try:
        main()
    except CascadeError as error:
        sys.exit(f"error[{error.code}]: {error.message}")
