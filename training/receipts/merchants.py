"""The merchant directory: names and addresses seen in the labels of the training part, as lookups for rules.

    python -m training.receipts.merchants write ../shared/data/receipts/train.jsonl

writes ``rules/receipts/merchants.csv`` and ``addresses.csv``: columns ``text`` (a form that was seen), ``value`` (the
form labels use most for this merchant) and ``documents`` (how many have it). On the documents it is made from the
directory is right by construction; ``validate`` measures it by cross-validation.
"""

from __future__ import annotations

import csv
import io
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click
from rapidfuzz import fuzz

from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.split import Split
from gateway.files import write_text
from gateway.task import TaskSpec, load_task
from gateway.tiers.rules import RulesTier
from gateway.tiers.rules.measure import FieldFigures, measure, render_figures
from gateway.values import fold_text

#: Which file holds the directory of which field.
FILES = {"company": "merchants.csv", "address": "addresses.csv"}
#: Two forms at least this much alike (per cent) are one merchant's, misread, when one is rare.
_SAME_MERCHANT = 94.0
#: ... and rare is at most this share of the other's documents: two rare forms may be two merchants in one street.
_RARE = 1 / 3


class Entry(NamedTuple):
    """A row of the directory."""

    text: str
    value: str
    documents: int


def build_directory(documents: Sequence[LabelledDocument], field: str) -> list[Entry]:
    """The forms of ``field`` in the labels, each with the canonical form, sorted by text.

    Forms that are equal when folded are one; its most frequent writing stands for it (the first in order of characters
    among equals). A rare form much like a frequent one takes that one's writing as its value.
    """
    writings: dict[str, Counter[str]] = defaultdict(Counter)
    for document in documents:
        label = document.labels.get(field)
        if isinstance(label, str) and fold_text(label):
            writings[fold_text(label)][" ".join(label.split())] += 1
    writing = {key: min(forms, key=lambda form: (-forms[form], form)) for key, forms in writings.items()}
    count = {key: forms.total() for key, forms in writings.items()}
    entries = []
    for key in writings:
        alike = [
            other
            for other in writings
            if count[key] <= _RARE * count[other] and fuzz.ratio(key, other, score_cutoff=_SAME_MERCHANT)
        ]
        model = max(alike, key=lambda other: (count[other], other), default=key)
        entries.append(Entry(writing[key], writing[model], count[key]))
    return sorted(entries)


def directory_csv(entries: Sequence[Entry]) -> str:
    """The directory as a lookup file."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(Entry._fields)
    writer.writerows(entries)
    return stream.getvalue()


def write_directories(documents: Sequence[LabelledDocument], target: Path) -> dict[str, int]:
    """Write the lookup file of every field into ``target``; returns field to number of rows."""
    sizes = {}
    for field, name in FILES.items():
        entries = build_directory(documents, field)
        write_text(target / name, directory_csv(entries))
        sizes[field] = len(entries)
    return sizes


def cross_validate(
    documents: Sequence[LabelledDocument], rules_dir: Path, task: TaskSpec, folds: Sequence[Sequence[LabelledDocument]]
) -> dict[str, FieldFigures]:
    """Figures of all rules where a document's own label is never in the directory its lookups read.

    For each fold the directories are made from all ``documents`` outside it; everything else is as in ``rules_dir``.
    """
    figures: dict[str, FieldFigures] | None = None
    for fold in folds:
        held_out = {document.id for document in fold}
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "rules"
            for part in ("library", task.name):
                shutil.copytree(rules_dir / part, copy / part)
            write_directories([document for document in documents if document.id not in held_out], copy / task.name)
            figures = measure(RulesTier.load(copy, task), fold, figures)
    return figures or {}


def make_folds(
    documents: Sequence[LabelledDocument], count: int, seed: int, group_of: Callable[[LabelledDocument], str]
) -> list[list[LabelledDocument]]:
    """``count`` random parts of about equal size, documents of one group together."""
    groups: dict[str, list[LabelledDocument]] = defaultdict(list)
    for document in documents:
        groups[group_of(document)].append(document)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    folds: list[list[LabelledDocument]] = [[] for _ in range(count)]
    for name in names:
        min(folds, key=len).extend(groups[name])
    return [fold for fold in folds if fold]


rules_option = click.option(
    "--rules", type=click.Path(path_type=Path), default=Path("rules"), show_default=True, help="The rules directory."
)
split_option = click.option(
    "--split",
    "split_path",
    type=click.Path(path_type=Path),
    default=Path("models/receipts/split.json"),
    show_default=True,
    help="The split whose part train is read.",
)


@click.group()
def main() -> None:
    """The merchant directory of the receipts task."""


@main.command()
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@split_option
@rules_option
def write(data: Path, split_path: Path, rules: Path) -> None:
    """Write merchants.csv and addresses.csv from the training part of DATA."""
    documents = Split.load(split_path).select(read_dataset(data), "train")
    for field, size in write_directories(documents, rules / "receipts").items():
        click.echo(f"{rules / 'receipts' / FILES[field]}: {size} forms from {len(documents)} documents")


@main.command()
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@split_option
@rules_option
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--by-merchant", is_flag=True, help="Keep a merchant's documents together: no merchant is known.")
def validate(data: Path, split_path: Path, rules: Path, folds: int, seed: int, by_merchant: bool) -> None:
    """Measure all rules by cross-validation over the training part of DATA."""
    split = Split.load(split_path)
    documents = split.select(read_dataset(data), "train")
    group_of = split.group_of if by_merchant else lambda document: document.id
    task = load_task(rules / "receipts" / "task.yaml")
    figures = cross_validate(documents, rules, task, make_folds(documents, folds, seed, group_of))
    click.echo(render_figures(figures.values()))


if __name__ == "__main__":
    main()
