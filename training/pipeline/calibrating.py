"""The stage that fits combiners and certifies thresholds for the models and rules as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.evaluation.dataset import file_digest
from gateway.tiers.student import digests_of
from training.calibrate.task import OUT_OF_FOLD, Parts, calibrate_task, out_of_fold
from training.pipeline.stage import Stage
from training.report import calibration_facts
from training.run import PROVISIONAL, fingerprint

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline


def calibrate_stage(run: Pipeline) -> Stage:
    """Run all tiers over the development and calibration parts and write policy.json."""
    path, predictions = run.out / "policy.json", run.out / OUT_OF_FOLD
    learned_from = [*run.labelled, *run.parts["development"]]
    documents = [*learned_from, *run.parts["calibration"]]

    def inputs() -> str:
        models = [run.out / "student" / "config.json", run.out / "large" / "config.json", predictions]
        return fingerprint(
            "calibrate 1",
            [file_digest(model) if model.is_file() else None for model in models],
            run.forms.digest,
            digests_of(run.chooser),
            _rules(run.home.rules, run.task.name),
            [(item.id, item.input_digest, item.labels) for item in documents],
            dict(run.split.groups),
            list(run.recipe.targets),
        )

    def work() -> dict[str, Any]:
        known = out_of_fold(predictions, run.task, run.forms, learned_from)
        tiers = run.tiers()
        calibrated = calibrate_task(
            run.task,
            tiers,
            Parts.of(run.split, documents, "calibration", known),
            run.recipe.targets,
            run.work / "outputs",
            {"command": run.command, "data_sha256": run.data_digest},
        )
        calibrated.policy.save(path)
        facts = calibration_facts(run.task, calibrated.policy, calibrated.items)
        missing = {"rules", "student", "large"} - set(tiers)
        # With a tier that could not be loaded this is only what can be had for now.
        return {**facts, **({PROVISIONAL: f"without {', '.join(sorted(missing))}"} if missing else {})}

    return Stage("calibrate", inputs, (path,), work)


def _rules(rules: Path, task: str) -> list[tuple[str, str]]:
    """Every file that shapes the rules of a task."""
    files = [path for part in (task, "library") for path in (rules / part).rglob("[!.]*") if path.is_file()]
    return sorted((path.relative_to(rules).as_posix(), file_digest(path)) for path in files)
