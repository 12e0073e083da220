"""The first stage: what ``cascade data check`` says of the data. Errors end the run, warnings are shown and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.errors import DatasetError
from gateway.evaluation.dataset import file_digest
from gateway.evaluation.split import Split
from training.data.check import CODES, check_file
from training.report import check_facts
from training.run import fingerprint

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline


def check(run: Pipeline) -> dict[str, Any]:
    """Check the labelled documents; returns what was found, as :func:`training.report.check_facts` gives it.

    Raises:
        DatasetError: something must be put right first; the message says what, where, and what to do.
    """
    split = run.out / "split.json"
    inputs = fingerprint(
        file_digest(run.data) if run.data.is_file() else None,
        run.task_digest,
        run.recipe.window,
        file_digest(split) if split.is_file() else None,
    )

    def work() -> dict[str, Any]:
        report = check_file(
            run.data,
            task=run.task,
            split=Split.load(split) if split.is_file() else None,
            window=run.recipe.window,
        )
        errors = [finding for finding in report.findings if finding.severity == "error"]
        if errors:
            lines = [f"{run.data} cannot be trained on as it is:"]
            for finding in errors:
                about = f" [{finding.field}]" if finding.field else ""
                lines.append(f"  {finding.code}{about} {finding.message}")
                lines += [f"    {run.data}: {example}" for example in finding.examples]
                lines.append(f"    {CODES[finding.code].remedy}")
            lines.append("  `cascade data check` shows the rest.")
            raise DatasetError("\n".join(lines))
        return check_facts(report)

    found = run.stages.stage("check", inputs, [], work)
    for finding in found["findings"]:
        if finding["severity"] == "warning":
            about = f" [{finding['field']}]" if finding["field"] else ""
            message = f" {finding['message']}." if finding["message"] else ""
            print(f"  {finding['code']}{about}{message} {finding['remedy']}", flush=True)
    return found
