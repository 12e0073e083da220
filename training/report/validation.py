"""Every tier alone and the cascade, on the documents that nothing was made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.cli.session import open_session
from gateway.evaluation.bootstrap import GroupBootstrap
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.provenance import hardware, versions
from gateway.evaluation.report import build_report
from gateway.evaluation.split import Split
from gateway.evaluation.systems import SYSTEMS, SystemName, run_systems
from gateway.home import Home
from gateway.versions import home_with

#: Parts whose names begin so are for reported figures.
VALIDATION = "validation"
RESAMPLES, SEED = 2000, 0


def validate(
    home: Home,
    task: str,
    directory: Path,
    documents: Sequence[LabelledDocument],
    split: Split,
    *,
    systems: Sequence[SystemName] = SYSTEMS,
    on_document: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Measure the models in ``directory`` with the home's rules, on each part of the split for validation.

    Args:
        home: the home.
        task: the task's name.
        directory: what would be served as ``models/<task>/``.
        documents: all labelled ones.
        split: which of them belong to which part.
        systems: what to run.
        on_document: called after each document.

    Returns:
        Part → ``systems`` and ``comparison`` as ``cascade eval`` writes them, the number of documents and groups, and
        hardware, versions and digests. A part without documents is left out.

    Raises:
        CascadeError: the task or its rules cannot be loaded, or the documents do not fit the split.
    """
    found: dict[str, Any] = {}
    spec = home.task(task)
    with home_with(home, task, directory) as overlay, open_session(overlay, task) as session:
        for part in (name for name, ids in split.parts.items() if name.startswith(VALIDATION) and ids):
            chosen = split.select(documents, part)
            check_labels(spec, chosen)
            run = run_systems(session.engine, session.task, chosen, systems, on_document=on_document)
            bootstrap = GroupBootstrap([split.group_of(one) for one in chosen], resamples=RESAMPLES, seed=SEED)
            report = build_report(spec, chosen, session.runner.run(run), bootstrap)
            found[part] = {
                "documents": len(chosen),
                "groups": bootstrap.groups,
                "quality": spec.qualities(),
                **_without_places(report, overlay),
                "hardware": hardware(),
                "versions": versions(),
                "digests": {tier: one for tier, one in session.task.versions.items() if isinstance(one, str)},
            }
    return found


def _without_places(report: Mapping[str, Any], overlay: Home) -> dict[str, Any]:
    """The report without where the models lay while they were measured, and with counts of failures alone."""
    systems: dict[str, Any] = {}
    for name, system in report["systems"].items():
        if system["available"]:
            systems[name] = {**system, "failures": len(system["failures"])}
        else:
            systems[name] = {**system, "problem": system["problem"].replace(f"{overlay.path}/", "")}
    return {"systems": systems, "comparison": report["comparison"]}


def summary(validation: Mapping[str, Any]) -> dict[str, Any]:
    """The few figures that a list of versions shows: part → documents, the cascade's F1 with its interval, and the
    error among accepted values."""
    found: dict[str, Any] = {}
    for part, measured in validation.items():
        cascade = measured["systems"].get("cascade", {})
        if cascade.get("available"):
            score = cascade["scores"]["normalised"]["micro"]
            found[part] = {
                "documents": measured["documents"],
                "f1": score["f1"],
                "interval": score["intervals"]["f1"],
                "share_accepted": cascade["decisions"]["share_accepted"],
                "error": cascade["decisions"]["accepted_present"]["error"],
            }
    return found
