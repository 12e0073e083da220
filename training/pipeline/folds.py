"""The stage that asks models about documents that they did not learn from, for the combiners; see
:mod:`training.calibrate.folds`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.split import TRAINED_ON
from gateway.files import write_json
from training.calibrate.folds import TRAINED, make_folds, predict_out_of_fold, save_predictions
from training.calibrate.outputs import Observed, observe
from training.calibrate.task import OUT_OF_FOLD
from training.identity import identity
from training.pipeline.stage import Stage
from training.run import fingerprint

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline

FOLD = "fold"
#: Documents of a fold that show how its training goes.
_SHOWN = 16


def fold_count(run: Pipeline, documents: Sequence[LabelledDocument]) -> int:
    """As many folds as the recipe says, or as there are different texts; none with fewer than two."""
    different = len({document.text_digest for document in documents})
    count = min(run.recipe.folds.count, different)
    return count if count >= 2 else 0


def folds_stage(run: Pipeline) -> Stage:
    """Train models on each fold's other documents, and keep what they say of the fold: ``out_of_fold.json``."""
    recipe = run.recipe.folds
    path = run.out / OUT_OF_FOLD
    documents = [*run.labelled, *run.parts["development"]]

    def inputs() -> str:
        return fingerprint(
            run.inputs(identity(run.recipe.large), identity(run.student_recipe), identity(recipe)),
            [(item.id, item.input_digest, item.labels) for item in documents],
            [item.text_digest for item in run.unlabelled_documents],
            *run.reading,
        )

    def work() -> dict[str, Any]:
        folds = make_folds(documents, fold_count(run, documents), recipe.seed)

        def run_fold(
            number: int, rest: Sequence[LabelledDocument], held_out: Sequence[LabelledDocument]
        ) -> list[Observed]:
            return _run_fold(run, number, rest, held_out)

        observed = predict_out_of_fold(folds, run_fold)
        about = {"folds": [len(fold) for fold in folds], "seed": recipe.seed, "data_sha256": run.data_digest}
        numbers = {item.id: number for number, fold in enumerate(folds) for item in fold}
        if run.workers.first:
            save_predictions(path, run.task, observed, about, numbers)
        return {"documents": len(observed), **about}

    return Stage("folds", inputs, (path,), work, every_worker=True)


def _run_fold(
    run: Pipeline, number: int, rest: Sequence[LabelledDocument], held_out: Sequence[LabelledDocument]
) -> list[Observed]:
    directory = run.work / "folds" / str(number)
    fold = _pipeline(run, number, rest, held_out)
    print(f"[folds] {number + 1} of {fold_count(run, [*rest, *held_out])}", flush=True)
    with fold.held():
        fold.train()
        if not run.workers.first:
            return []
        tiers = {name: tier for name, tier in fold.tiers().items() if name in TRAINED}
        return observe(tiers, held_out, run.task, directory / "work" / "outputs")


def _pipeline(
    run: Pipeline, number: int, rest: Sequence[LabelledDocument], held_out: Sequence[LabelledDocument]
) -> Pipeline:
    """The run of one fold, in a directory of its own, with its split written."""
    directory = run.work / "folds" / str(number)
    out = directory / "models"
    digests = {
        part: {item.id: item.text_digest for item in found} for part, found in (("train", rest), (FOLD, held_out))
    }
    # A few of the fold's documents show how the training goes; nothing is chosen by them.
    shown = dict(list(digests[FOLD].items())[:_SHOWN])
    others = {part: ids for part, ids in run.split.parts.items() if part not in TRAINED_ON}
    if run.workers.first:
        write_json(
            out / "split.json",
            {
                "task": run.task.name,
                "seed": run.split.seed,
                "about": {**run.split.about, "fold": number},
                "parts": {**digests, "development": shown, **others},
                "groups": run.split.groups,
            },
        )
    run.workers.told(None)
    student_recipe = run.student_recipe
    if run.recipe.folds.unlabelled_limit >= 0:
        student_recipe = replace(student_recipe, unlabelled_limit=run.recipe.folds.unlabelled_limit)
    recipe = replace(run.recipe, student=student_recipe)
    work, command = directory / "work", run.command
    return replace(run, recipe=recipe, out=out, work=work, command=command, within=f"fold {number + 1} ")
