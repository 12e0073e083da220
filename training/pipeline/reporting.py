"""The last stage: everything that was measured, as ``training.json``, card and report page beside the models."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.evaluation.dataset import file_digest
from training.card import hardware
from training.pipeline.stage import Stage
from training.recipe import dump_recipe
from training.report import RunReport, data_facts, field_descriptions, validate, write_report
from training.report.run_report import TRAINING
from training.run import fingerprint

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline


def report_stage(run: Pipeline) -> Stage:
    """Measure rules, student, large tier and cascade on the documents nothing was made from, and write it all down."""

    def inputs() -> str:
        return fingerprint("report 1", file_digest(run.out / "policy.json"), dump_recipe(run.recipe), run.data_digest)

    def work() -> dict[str, Any]:
        validation = validate(run.home, run.task.name, run.out, run.documents, run.split)
        page = write_report(run.out, gather(run, validation))
        print(f"  {page}", flush=True)
        return {"validation": validation}

    return Stage("report", inputs, (run.out / TRAINING,), work)


def gather(run: Pipeline, validation: dict[str, Any]) -> RunReport:
    """What the run measured, as plain data."""
    seconds = run.stages.seconds
    sized = {"size": run.size_report} if run.size_report else {}
    reports = {"large": run.large_report, "student": {**run.student_report, **sized}}
    # An interrupted training counts the epochs of every attempt.
    attempts = {name: sum(epoch["seconds"] for epoch in report["history"]) for name, report in reports.items()}
    whole = {name: max(taken, attempts.get(name, 0.0)) for name, taken in seconds.items()}
    unlabelled_digest = file_digest(run.unlabelled) if run.unlabelled else None
    return RunReport(
        task=run.task.name,
        command=run.command,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        fields=field_descriptions(run.task),
        hardware={**hardware(), "device": str(run.device), "workers": run.workers.count},
        stage_seconds=seconds,
        training_hours=sum(whole.values()) / 3600,
        data={
            **data_facts(
                run.data,
                run.data_digest,
                run.documents,
                run.split,
                run.task,
                unlabelled=len(run.unlabelled_documents),
                unlabelled_path=run.unlabelled,
                unlabelled_sha256=unlabelled_digest,
            ),
            **({"select": run.select_report} if run.select_report else {}),
        },
        check=run.check_report,
        alignment=run.alignment,
        windows={name: asdict(found) for name, found in run.windows_report.items()},
        bases={name: {"licence": base.licence} for name, base in run.bases.items()},
        calibration=run.calibration,
        validation=validation,
        **reports,
    )
