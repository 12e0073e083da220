"""The stage that settles the student's size, and the tokenizer that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.evaluation.dataset import file_digest
from training.families import find_family
from training.families.vocabulary import prune
from training.pipeline.stage import Stage
from training.run import fingerprint
from training.size import parse_size, points_of, resolve_size
from training.student import of_family

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline

#: A family with its own word pieces has this tokenizer in the work directory.
TOKENIZER = "student-tokenizer.json"


def size_stage(run: Pipeline) -> Stage:
    """Choose the student's family by what the recipe asks for."""
    recipe, base = run.recipe.student, run.base_directories[run.recipe.student.base]
    path, points = run.work / TOKENIZER, points_of(run.task.name)
    documents = [*run.parts["train"], *run.unlabelled_documents]

    def inputs() -> str:
        texts = [document.input_digest for document in documents]
        measured = None if points is None else file_digest(points)
        weights = run.bases[recipe.base].files["model.safetensors"].sha256
        return fingerprint(recipe.size, recipe.layers, recipe.loop.epochs, weights, texts, measured, len(run.fields))

    def work() -> dict[str, Any]:
        encoder = run.encoder(recipe.base)
        tokens = sum(len(encoder.encode(document.text, document.context)) for document in documents)
        texts = [text for document in documents for text in (document.text, document.context) if text]
        pieces = len(prune(base / "tokenizer.json", texts, path))
        family, facts = resolve_size(
            parse_size(recipe.size),
            base,
            len(run.fields),
            tokens=float(tokens) * recipe.loop.epochs,
            layers=recipe.layers,
            pieces=pieces,
            points=points,
            cache=run.home.path / ".cascade",
        )
        return {**facts, "name": family}

    return Stage("size", inputs, (path,), work)


def settle(run: Pipeline, report: dict[str, Any]) -> None:
    """Take up what :func:`size_stage` found: the student's recipe and tokenizer."""
    family, base = report["name"], run.base_directories[run.recipe.student.base]
    run.student_recipe = of_family(run.recipe.student, family)
    own = find_family(family).pieces == "seen"
    run.student_tokenizer = run.work / TOKENIZER if own else base / "tokenizer.json"
    print(f"  the student is {family}: about {report['parameters'] / 1e6:.1f} M parameters", flush=True)
    if "auto" in report:
        print(f"  ({report['auto']})", flush=True)
