"""``cascade audit``: what audits and feedback have found, and what they leave for calibration."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from gateway.audit.agreement import Agreement
from gateway.audit.opening import open_store
from gateway.audit.reference import FILE, reference_of
from gateway.audit.report import evidence_words, labelled_documents, open_questions, report
from gateway.audit.store import AuditStore
from gateway.cascade import Extraction
from gateway.cli.main import current_home
from gateway.cli.session import Session, open_session
from gateway.engine import Request
from gateway.errors import DatasetError, TierUnavailable
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.metrics import expected_values, is_right
from gateway.evaluation.split import Split
from gateway.evaluation.systems import as_document
from gateway.evaluation.table import align
from gateway.files import write_text
from gateway.settings import Settings

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
REFERENCE_PART, KNOWN_PART = "calibration", "train"


@click.group()
def audit() -> None:
    """Look at audits and feedback, and use them.

    The audit database lies in CASCADE_STATE (docs/audit.md).
    """


def _store() -> AuditStore:
    return open_store(Settings.read(), current_home().path)


@audit.command("report")
@click.argument("task", required=False)
@as_json
@click.pass_context
def report_command(context: click.Context, task: str | None, as_json: bool) -> None:
    """Show audits, feedback and tests, of TASK or of all tasks. The exit code is 1 when a promise is in doubt."""
    store = _known(task)
    found = report(store, task) if store.database.exists else {}
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_table(found)) if found else "nothing was audited yet")
    if any(test["doubted_at"] is not None for test in found.get("tests", ())):
        context.exit(1)


@audit.command("open")
@click.argument("task", required=False)
@as_json
def open_command(task: str | None, as_json: bool) -> None:
    """List answers that wait for a person; POST /v1/feedback answers them."""
    store = _known(task)
    questions = open_questions(store, task) if store.database.exists else []
    if as_json:
        for question in questions:
            click.echo(json.dumps(question, ensure_ascii=False))
        return
    rows = [["task", "request", "id", "field", "answered"]]
    for question in questions:
        answered = _printable("; ".join(question["value"])) or "(not there)"
        rows.append([question["task"], question["request_id"], question["id"] or "", question["field"], answered])
    click.echo("\n".join(align(rows, left=len(rows[0]))) if questions else "no open questions")


@audit.command("export")
@click.argument("task")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@as_json
def export_command(task: str, out: Path, as_json: bool) -> None:
    """Write what people said as labelled documents (JSON Lines) to OUT, for `cascade calibrate`.

    Only documents whose text was kept (CASCADE_AUDIT_KEEP_TEXT) can be written.
    """
    spec = current_home().task(task)
    store = _store()
    documents = list(labelled_documents(store, spec)) if store.database.exists else []
    write_text(out, "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents))
    labels = sum(len(document["labels"]) for document in documents)
    if as_json:
        click.echo(json.dumps({"documents": len(documents), "labels": labels, "out": str(out)}))
    else:
        click.echo(f"{len(documents)} documents with {labels} labels in {out}")


@audit.command("restart")
@click.argument("task")
@as_json
def restart_command(task: str, as_json: bool) -> None:
    """Forget the tests of TASK, doubts included, once their cause was found and mended. Judgements stay.

    A new policy begins new tests by itself.
    """
    current_home().task(task)
    store = _store()
    forgotten = store.restart(task) if store.database.exists else 0
    click.echo(json.dumps({"tests": forgotten}) if as_json else f"{forgotten} tests begin anew")


@audit.command("reference")
@click.argument("task")
@click.option("--data", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Labelled documents.")
@click.option("--part", default=REFERENCE_PART, show_default=True, help="The part that is the reference.")
@click.option("--known", default=KNOWN_PART, show_default=True, help="The part whose words count as known.")
@as_json
def reference_command(task: str, data: Path, part: str, known: str, as_json: bool) -> None:
    """Write models/TASK/reference.json: what calibration documents look like, and how often large agrees there.

    Make it again after every `cascade calibrate`. Without a large tier, agreement is left out.
    """
    if part == known:
        raise click.UsageError("--part and --known must differ.")
    home = current_home()
    documents = read_dataset(data)
    split = Split.load(home.models / task / "split.json")
    chosen, words = split.select(documents, part), split.select(documents, known)
    with open_session(home, task) as session:
        agreement = _Agreements(session)
        answered: list[tuple[str, Extraction]] = []
        for document in _with_progress(chosen):
            extraction = session.extract(Request(as_document(document))).extraction
            answered.append((document.text, extraction))
            agreement.observe(document, extraction)
        reference = reference_of(
            task,
            answered,
            [document.text for document in words],
            agreement=agreement.found,
            policy=session.task.policy_digest,
        )
    path = home.models / task / FILE
    reference.save(path)
    found = {name: counts.as_json() for name, counts in reference.agreement.items()}
    if as_json:
        click.echo(json.dumps({"documents": reference.documents, "agreement": found, "out": str(path)}))
    else:
        click.echo(f"{reference.documents} documents in {path}")


class _Agreements:
    """How often the large tier agrees with accepted answers that it did not give."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._observed: dict[str, list[tuple[bool, bool]]] = {}
        self._possible = "large" in session.task.spec.tiers and "large" not in session.task.unavailable

    def observe(self, document: LabelledDocument, extraction: Extraction) -> None:
        spec = self._session.task.spec
        fields = tuple(
            name
            for name, result in extraction.fields.items()
            if result.state == "accepted"
            and result.tier != "large"
            and expected_values(spec, document, name) is not None
        )
        if not fields or not self._possible:
            return
        said = self._session.extract(
            Request(as_document(document), fields=fields, tiers=("large",), alone=True)
        ).extraction
        if said.unavailable:
            raise TierUnavailable(f"large: {next(iter(said.unavailable.values()))}")
        for name in fields:
            answer = [candidate.value for candidate in extraction.fields[name].candidates]
            large = [candidate.value for candidate in said.fields[name].candidates]
            expected = expected_values(spec, document, name)
            if expected is None:
                raise DatasetError(f"{document.id}: no label for {name}")
            right, agrees = is_right(spec, name, expected, answer), is_right(spec, name, large, answer)
            self._observed.setdefault(name, []).append((right, agrees))

    @property
    def found(self) -> dict[str, Agreement]:
        return {name: Agreement.of(observed) for name, observed in self._observed.items()}


def _known(task: str | None) -> AuditStore:
    if task is not None:
        current_home().task(task)  # a wrong name is an error, not an empty answer
    return _store()


def _table(found: dict[str, Any]) -> list[str]:
    rows = [["task", "field", "tier", "judge", "audits", "disagreed", "rate %", "95 % interval"]]
    for row in found["audits"]:
        rate, count = row["rate"], row["agreed"] + row["disagreed"]
        interval = f"{100 * rate['low']:.1f}-{100 * rate['high']:.1f}"
        rows.append(
            [
                *(row["task"], row["field"], row["tier"], row["judge"], str(count), str(row["disagreed"])),
                *(f"{100 * rate['value']:.1f}", interval),
            ]
        )
    lines = align(rows, left=4)
    lines += ["", f"open questions: {found['open']}"]
    lines += [
        f"feedback {row['task']} {row['field']}: {row['corrections']} volunteered, {row['contradicted'] or 0} against"
        for row in found["feedback"]
    ]
    lines += [
        f"promise {test['task']} {test['subject']} (policy {test['policy'][:12]}, {test['steps']} audits): "
        + evidence_words(test)
        for test in found["tests"]
    ]
    lines += [
        f"traffic {row['task']} (policy {row['policy'][:12]}, {row['documents']} documents): "
        + ("as calibrated" if row["noticed_at"] is None else f"SHIFTED, most in {row['leading']}")
        for row in found["traffic"]
    ]
    return lines


def _with_progress(documents: Iterable[LabelledDocument]) -> Iterable[LabelledDocument]:
    bar: Iterable[LabelledDocument] = tqdm(documents, unit=" documents", disable=not sys.stderr.isatty())
    return bar


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
