"""What the unlabelled receipts bring to the student, by source, against training without them.

    python -m training.receipts.unlabelled --data ../shared/data/receipts/train.jsonl \
        --unlabelled ../shared/data/receipts/unlabelled.jsonl --out training/results/receipts-unlabelled.csv

Needs a finished ``cascade train receipts`` (its teacher's outputs). Every variant sees the labelled documents equally
often, and in every epoch at most half as many unlabelled ones. One more row is appended for each finished variant and
seed, and a row that is there is not computed again, so the command resumes.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.files import write_text
from gateway.home import find_home
from training import large, student
from training.card import hardware
from training.evaluate import f1_of
from training.examples import Example
from training.pipeline import Pipeline
from training.recipe import load_recipe, recipe_of
from training.teacher import token_probabilities

COLUMNS = [
    "variant",
    "seed",
    "layers",
    "epochs",
    "labelled",
    "unlabelled",
    "development_f1",
    "validation_seen_f1",
    "validation_unseen_f1",
    "seconds",
    "cpu",
    "torch",
]
#: Unlabelled documents drawn for an epoch, for each labelled one.
UNLABELLED_PER_LABELLED = 0.5
SOURCES = {"US": "express", "Indonesia": "cord", "Portugal": "zenodo"}


def variants(documents: Sequence[LabelledDocument]) -> dict[str, list[LabelledDocument]]:
    """Unlabelled documents by variant; ``labels`` uses no teacher at all, ``teacher`` only its view of labelled
    documents."""
    by_source = {name: [item for item in documents if f"/{mark}_" in item.id] for name, mark in SOURCES.items()}
    return {
        "labels": [],
        "teacher": [],
        **{f"teacher+{name}": found for name, found in by_source.items()},
        "teacher+all": list(documents),
    }


def main() -> None:
    """Run every variant and seed that the results file lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--unlabelled", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    home = find_home(None)
    recipe = load_recipe(recipe_of("receipts"))
    loop = replace(recipe.student.loop, epochs=arguments.epochs)
    recipe = replace(recipe, student=replace(recipe.student, layers=arguments.layers, loop=loop))
    pipeline = Pipeline(
        home=home,
        task=home.task("receipts"),
        recipe=recipe,
        data=arguments.data,
        unlabelled=arguments.unlabelled,
        out=home.path / ".cascade" / "train" / "receipts" / "models",
        work=home.path / ".cascade" / "train" / "receipts",
        command="",
        kept_split=home.models / "receipts" / "split.json",
    )
    pipeline.prepare_student()
    documents = read_dataset(arguments.data)
    parts = {
        name: pipeline.split.select(documents, name) for name in ("development", "validation-seen", "validation-unseen")
    }
    done: list[dict[str, str]] = []
    if arguments.out.is_file():
        done = list(csv.DictReader(io.StringIO(arguments.out.read_text("utf-8"))))
    finished = {(row["variant"], int(row["seed"])) for row in done}
    for seed in range(arguments.seeds):
        for name, unlabelled in variants(pipeline.unlabelled_documents).items():
            if (name, seed) in finished:
                continue
            examples = pipeline.student_examples(unlabelled)
            share = min(1.0, UNLABELLED_PER_LABELLED * len(pipeline.parts["train"]) / max(1, len(unlabelled)))
            started = time.perf_counter()
            scores = _train(pipeline, examples, name, seed, share, parts)
            row = {
                "variant": name,
                "seed": seed,
                "layers": arguments.layers,
                "epochs": arguments.epochs,
                "labelled": len(pipeline.parts["train"]),
                "unlabelled": len(unlabelled),
                "development_f1": f"{scores['development']:.2f}",
                "validation_seen_f1": f"{scores['validation-seen']:.2f}",
                "validation_unseen_f1": f"{scores['validation-unseen']:.2f}",
                "seconds": round(time.perf_counter() - started),
                "cpu": f"{hardware()['cpu']} x{hardware()['cores']}",
                "torch": hardware()["torch"],
            }
            done.append({key: str(value) for key, value in row.items()})
            table = io.StringIO()
            writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(done)
            write_text(arguments.out, table.getvalue())
            print(row, flush=True)


def _train(
    pipeline: Pipeline,
    examples: list[Example],
    variant: str,
    seed: int,
    share: float,
    parts: dict[str, list[LabelledDocument]],
) -> dict[str, float]:
    """Train one student and score it (normalised micro F1, 0 to 100) on every part."""
    recipe = pipeline.recipe.student
    base = pipeline.base_directories[recipe.base]
    vocabulary = large.special_tokens(base / "tokenizer.json")
    soft_weight = 0.0 if variant == "labels" else recipe.loop.soft_weight
    loop = replace(recipe.loop, seed=seed, soft_weight=soft_weight, unlabelled_share=share)
    recipe = replace(recipe, loop=loop)
    network = student.build(recipe, base, len(pipeline.task.fields))
    student.train_student(network, examples, recipe, vocabulary, None, description=f"{variant} seed {seed}")
    encoder = pipeline.encoder(recipe.base)
    scores: dict[str, float] = {}
    for name, documents in parts.items():
        encodings = [encoder.encode(document.text, document.context) for document in documents]
        found = token_probabilities(network, encoder, encodings, vocabulary.pad, description=name)
        scores[name] = f1_of(documents, encodings, found, pipeline.task, pipeline.forms)["micro"]
    return scores


if __name__ == "__main__":
    main()
