"""``cascade models promote``, ``rollback`` and ``prune``: which version of a task's models is served."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from gateway.cli.main import current_home
from gateway.cli.session import Session, open_session
from gateway.engine import LoadedTask
from gateway.errors import InvalidRequest, NotComparable, PromotionRefused
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.promotion import Comparison, compare_versions, documents_to_compare, render
from gateway.evaluation.split import Split
from gateway.evaluation.systems import Record, run_systems
from gateway.home import Home
from gateway.loaded import changed_field_notes
from gateway.task import TaskSpec
from gateway.versions import Promotion, Served, Version, Versions, home_with, rollback_target
from gateway.versions import promote as put_in_force

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_SPLIT = "split.json"


@click.command("promote")
@click.argument("task")
@click.argument("version")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="D.jsonl",
    help="The labelled documents to compare on. Default: those that the version was trained on.",
)
@click.option("--force", is_flag=True, help="Serve it even where it is worse, or cannot be compared.")
@as_json
def promote(task: str, version: str, data: Path | None, force: bool, as_json: bool) -> None:
    """Serve VERSION of TASK, if it is at least as good as what is served.

    Both answer the validation documents as the service would. The exit code is 1, and nothing is changed, when the new
    one's F1 is lower, clearly more of its accepted values are wrong, or its policy does not fit. What was served is
    kept as a version. A running gateway takes the new one up by itself.
    """
    home = current_home()
    spec = home.task(task)
    versions = Versions(home, task)
    gate = Gate(home, spec, versions.find(version), versions.served(), data, force, quiet=as_json)
    done: Promotion | None = None
    try:
        done = put_in_force(home, task, version, examine=gate.examine)
    finally:
        _show(gate, done, as_json)


@click.command("rollback")
@click.argument("task")
@click.option("--to", "version", metavar="VERSION", help="Which version. Default: the one that was served before.")
@as_json
def rollback(task: str, version: str | None, as_json: bool) -> None:
    """Serve the version again that was served before, or any other, without a comparison.

    What is served now is kept as a version; to roll back twice is to be where one was.
    """
    home = current_home()
    spec = home.task(task)
    versions = Versions(home, task)
    target = rollback_target(home, task) if version is None else versions.find(version)
    gate = Gate(home, spec, target, versions.served(), None, force=True, quiet=as_json, compared=False)
    done = put_in_force(home, task, target.name, examine=gate.examine)
    _show(gate, done, as_json)


@click.command("prune")
@click.argument("task")
@click.option("--keep", type=click.IntRange(min=0), required=True, help="How many to keep, the newest ones.")
@as_json
def prune(task: str, keep: int, as_json: bool) -> None:
    """Remove all but the newest versions of TASK.

    The version that is served always stays, and the one before it, to which a rollback would go.
    """
    home = current_home()
    removed = Versions(home, home.task(task).name).prune(keep)
    if as_json:
        click.echo(json.dumps({"task": task, "removed": removed}, indent=2))
    else:
        click.echo("\n".join(f"removed {name}" for name in removed) or "nothing was removed")


@dataclass
class Gate:
    """Looks at a version as it is to be served: whether it fits, and whether it is at least as good.

    ``notes`` are sentences for operators; ``reasons`` say why it is refused, or would be without ``force``. Where it is
    not ``compared``, it is only looked at.
    """

    home: Home
    spec: TaskSpec
    candidate: Version
    served: Served
    data: Path | None
    force: bool
    quiet: bool = False
    compared: bool = True
    comparison: Comparison | None = None
    notes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def examine(self, directory: Path) -> None:
        """Load what lies in ``directory`` as it would be served, which also builds what serving has to build once, and
        compare it with what is served.

        Raises:
            PromotionRefused: it does not fit or is not as good.
            NotComparable, InvalidRequest: there is nothing to compare it on.
        """
        with home_with(self.home, self.spec.name, directory) as overlay:
            with open_session(overlay, self.spec.name) as session:
                found = self._misfits(session.task, overlay)
            self._refuse_for(found, "cannot be served as it is")
            documents, groups = self._documents(directory)
            if not documents:
                return
            with open_session(self.home, self.spec.name) as session:
                served = self._run(session, documents, "served")
            with open_session(overlay, self.spec.name) as session:
                candidate = self._run(session, documents, self.candidate.name)
        self.comparison = compare_versions(self.spec, documents, groups, served, candidate)
        self._refuse_for(self.comparison.reasons, "is not as good as what is served")

    def _refuse_for(self, reasons: Sequence[str], what: str) -> None:
        self.reasons += reasons
        if reasons and not self.force:
            raise PromotionRefused(
                f"{self.candidate.name} {what}: {'; '.join(reasons)}. Nothing was changed; --force serves it anyway",
                detail={"reasons": list(reasons)},
            )

    def _misfits(self, task: LoadedTask, overlay: Home) -> list[str]:
        """What keeps the version from deciding: a policy of other rules, fields or models, or a tier that cannot be
        loaded though it belongs to the version."""
        found = [one.replace(f"{overlay.path}/", "") for one in task.file_problems] if task.policy is None else []
        if task.policy is not None:
            found += changed_field_notes(task.spec, task.policy).values()
            found += [
                f"{tier}: not the model that its policy was calibrated with" for tier in sorted(task.stale_models)
            ]
        for name, trust in task.trust.items():
            if not trust.decides:
                found.append(trust.describe(name) or f"rules of {name}: not measured")
        missing = {tier: why for tier, why in task.unavailable.items() if self._has(tier)}
        if missing:
            before = self._unavailable_now()
            found += [f"{tier}: {why}" for tier, why in missing.items() if tier not in before]
            self.notes += [f"{tier}: {why}" for tier, why in missing.items() if tier in before]
        return found

    def _has(self, tier: str) -> bool:
        return f"{tier}/config.json" in self.candidate.manifest.files

    def _unavailable_now(self) -> frozenset[str]:
        if not self.served.present:
            return frozenset({"large"})  # of a first version, what is there is better than nothing
        with open_session(self.home, self.spec.name) as session:
            return frozenset(session.task.unavailable)

    def _documents(self, directory: Path) -> tuple[list[LabelledDocument], list[str]]:
        """The documents to compare on and their groups; none where there is nothing to compare with."""
        if not self.compared:
            return [], []
        if not self.served.present:
            self.notes.append("nothing was served before, so there was nothing to compare with")
            return [], []
        if self.force and self.data is None:
            self.notes.append("not compared with what was served")
            return [], []
        documents = read_dataset(self._data())
        check_labels(self.spec, documents)
        try:
            split = Split.load(directory / _SPLIT)
            path = self.served.path / _SPLIT
            chosen = documents_to_compare(documents, split, Split.load(path) if path.is_file() else None)
        except NotComparable as error:
            if not self.force:
                raise
            self.notes.append(f"not compared with what was served: {error.message}")
            return [], []
        return chosen, [split.group_of(document) for document in chosen]

    def _data(self) -> Path:
        if self.data is not None:
            return self.data
        known = (self.candidate.manifest.about.get("data") or {}).get("path")
        if isinstance(known, str) and Path(known).is_file():
            return Path(known)
        raise InvalidRequest(
            "name the labelled documents to compare on with --data"
            + (f": {known}, on which the version was trained, is not here" if known else "")
        )

    def _run(self, session: Session, documents: Sequence[LabelledDocument], name: str) -> Sequence[Record]:
        with tqdm(
            total=len(documents), desc=name, unit="document", disable=self.quiet or not sys.stderr.isatty()
        ) as bar:
            step: Callable[[], object] = bar.update
            running = run_systems(session.engine, session.task, documents, ("cascade",), on_document=step)
            return session.runner.run(running)["cascade"].records


def _show(gate: Gate, done: Promotion | None, as_json: bool) -> None:
    comparison = None if gate.comparison is None else gate.comparison.as_json()
    if as_json:
        shown: dict[str, Any] = {
            "task": gate.spec.name,
            "version": gate.candidate.name,
            "promoted": done is not None and done.changed,
            "previous": done.previous if done else None,
            "comparison": comparison,
            "reasons": gate.reasons,
            "notes": gate.notes,
        }
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    if comparison is not None:
        click.echo(render(comparison, gate.served.name or "served", gate.candidate.name))
    for note in gate.notes:
        click.echo(note, err=True)
    if done is None:
        return
    for reason in gate.reasons:
        click.echo(f"in spite of this: {reason}", err=True)
    if not done.changed:
        click.echo(f"{done.task} serves {done.version} already")
        return
    kept = "" if done.previous is None else f"; {done.previous} is kept: cascade models rollback {done.task}"
    click.echo(f"{done.task} serves {done.version} now{kept}")
