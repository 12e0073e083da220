"""``cascade audit``: what audits and feedback have found, and what they leave for calibration."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from gateway.audit.agreement import disagreement_limit
from gateway.audit.export import PURPOSE_KEY, Exported, Use, labelled_documents
from gateway.audit.opening import open_store
from gateway.audit.reference import FILE, Reference, agreement_json, reference_of
from gateway.audit.report import evidence_words, open_questions, report
from gateway.audit.store import AuditStore
from gateway.audit.terms import Terms
from gateway.cascade import Extraction
from gateway.cli.agreements import Agreements
from gateway.cli.main import current_home
from gateway.cli.session import open_session
from gateway.document import TierName
from gateway.engine import Request
from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument, file_digest, read_dataset
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.split import CERTIFIED_ON, Split
from gateway.evaluation.systems import as_document
from gateway.evaluation.table import align
from gateway.files import write_text
from gateway.settings import Settings

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
REFERENCE_PART, KNOWN_PART, AGREEMENT_PART = "calibration", "train", "validation-seen"


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
    rows = [["task", "request", "id", "field", "for", "answered"]]
    for question in questions:
        answered = _printable("; ".join(question["value"])) or "(not there)"
        if question["state"] == "not-asked":
            answered = "(not asked)"
        named = [question["task"], question["request_id"], question["id"] or "", question["field"]]
        rows.append([*named, question["sampled_for"], answered])
    click.echo("\n".join(align(rows, left=len(rows[0]))) if questions else "no open questions")


@audit.command("export")
@click.argument("task")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--for",
    "use",
    type=click.Choice(["training", "calibration"]),
    default="training",
    show_default=True,
    help="calibration: only documents drawn for it (CASCADE_CALIBRATION_SHARE) of which every field was judged. "
    "training: all others, which nothing may be certified on.",
)
@as_json
def export_command(task: str, out: Path, use: Use, as_json: bool) -> None:
    """Write what people said as labelled documents (JSON Lines) to OUT.

    Only documents whose text was kept (CASCADE_AUDIT_KEEP_TEXT) can be written.
    """
    spec = current_home().task(task)
    store = _store()
    found = labelled_documents(store, spec, use) if store.database.exists else Exported(())
    write_text(out, "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in found.documents))
    labels = sum(len(document["labels"]) for document in found.documents)
    if as_json:
        counts = {"left_open": found.left_open, "incomplete": found.incomplete}
        click.echo(
            json.dumps({"documents": len(found.documents), "labels": labels, **counts, "for": use, "out": str(out)})
        )
        return
    click.echo(f"{len(found.documents)} documents with {labels} labels in {out}")
    if use == "training":
        click.echo("for training only: they are no random sample of what is answered, so certify nothing on them")
    if found.incomplete:
        click.echo(f"{found.incomplete} left out: labels are closed, and not every field was judged")
    if found.left_open:
        click.echo(
            f"{found.left_open} more were drawn and are not judged in every field: if those are the hard ones, the rest"
            " is no fair sample"
        )


@audit.command("append")
@click.argument("task")
@click.argument("data", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--part",
    default=CERTIFIED_ON,
    show_default=True,
    help="The part that grows; a name that begins with calibration- makes a part of its own.",
)
@as_json
def append_command(task: str, data: Path, part: str, as_json: bool) -> None:
    """Append documents that `cascade audit export --for calibration` wrote to a part of models/TASK/split.json.

    Texts that any other part has are left out. Then `cascade calibrate TASK --data BEFORE --data DATA` uses them.
    """
    home = current_home()
    spec = home.task(task)
    documents = read_dataset(data)
    check_labels(spec, documents)
    refused = [
        document.id
        for document in documents
        if document.extra.get(PURPOSE_KEY) != "calibration" or not spec.fields.keys() <= document.labels.keys()
    ]
    if refused:
        raise DatasetError(
            f"{data}: {len(refused)} documents were not drawn for calibration, or not every field of them was judged,"
            f" the first: {refused[0]}; `cascade audit export --for calibration` writes those that were"
        )
    path = home.models / task / "split.json"
    today = datetime.now(UTC).date().isoformat()
    done = Split.load(path).appended(documents, part, {"data_sha256": file_digest(data), "date": today})
    if done.ids:
        done.split.save(path)
    counts = {"appended": len(done.ids), "known": len(done.known), "elsewhere": len(done.elsewhere)}
    if as_json:
        click.echo(json.dumps({**counts, "part": part, "documents": len(done.split.parts.get(part, {}))}))
        return
    click.echo(f'{len(done.ids)} documents appended to "{part}", which has {len(done.split.parts.get(part, {}))} now')
    if done.known:
        click.echo(f"{len(done.known)} were there already")
    if done.elsewhere:
        click.echo(f"{len(done.elsewhere)} left out: their text is in another part")


@audit.command("restart")
@click.argument("task")
@as_json
def restart_command(task: str, as_json: bool) -> None:
    """Forget the tests of TASK, doubts included, once their cause was found and mended. Judgements stay.

    Another promise (other thresholds, rules or models) begins new tests by itself.
    """
    current_home().task(task)
    store = _store()
    forgotten = store.restart(task) if store.database.exists else 0
    click.echo(json.dumps({"tests": forgotten}) if as_json else f"{forgotten} tests begin anew")


@audit.command("reference")
@click.argument("task")
@click.option("--data", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Labelled documents.")
@click.option("--part", default=REFERENCE_PART, show_default=True, help="The part that traffic is compared with.")
@click.option("--known", default=KNOWN_PART, show_default=True, help="The part whose words count as known.")
@click.option(
    "--agreement-part",
    default=AGREEMENT_PART,
    show_default=True,
    help="The part that agreement is measured on; better not the one that thresholds were chosen on.",
)
@click.option(
    "--quality",
    "qualities",
    type=click.FloatRange(0.5, 0.9999),
    multiple=True,
    help="Targets that agreement is measured for. Default: all that are certified. The fewer, the sharper the limits.",
)
@as_json
def reference_command(
    task: str, data: Path, part: str, known: str, agreement_part: str, qualities: tuple[float, ...], as_json: bool
) -> None:
    """Write models/TASK/reference.json: what calibration documents look like, and how often large agrees with what is
    accepted.

    Make it again when a `cascade calibrate` has come to other thresholds. Without a large tier, agreement is left out,
    and audits by it test nothing.
    """
    if part == known:
        raise click.UsageError("--part and --known must differ.")
    home = current_home()
    documents = read_dataset(data)
    split = Split.load(home.models / task / "split.json")
    chosen, words = split.select(documents, part), split.select(documents, known)
    with open_session(home, task) as session:
        agreements = Agreements(session, qualities)
        others = split.select(documents, agreement_part) if agreements.levels else []
        split.refuse_seen(others)
        answered: list[tuple[str, Extraction]] = []
        # Signals need what rules find, and no other tier.
        tiers: tuple[TierName, ...] | None = ("rules",) if "rules" in session.task.spec.tiers else None
        for document in _with_progress(chosen):
            outcome = session.extract(Request(as_document(document), tiers=tiers))
            if outcome.filtered is None:  # traffic that filters keep out is not compared either
                answered.append((document.text, outcome.extraction))
        for document in _with_progress(others):
            agreements.observe(document)
        reference = reference_of(
            task,
            answered,
            [document.text for document in words],
            agreement=agreements.found,
            promise=session.task.promise,
            agreement_part=agreement_part if agreements.levels else None,
        )
    path = home.models / task / FILE
    reference.save(path)
    if as_json:
        found = agreement_json(reference.agreement)
        part_of = reference.agreement_part
        click.echo(
            json.dumps(
                {"documents": reference.documents, "agreement_part": part_of, "agreement": found, "out": str(path)}
            )
        )
        return
    click.echo(f"{reference.documents} documents in {path}")
    limit_alpha = Terms.of(Settings.read()).limit_alpha(len(session.task.spec.fields))
    for line in _agreement_table(reference, limit_alpha):
        click.echo(line)


def _agreement_table(reference: Reference, limit_alpha: float) -> list[str]:
    if not reference.agreement:
        return ["no agreement measured: audits by the large tier test nothing"]
    rows = [["field", "accepted as", "right", "disagreed", "wrong", "disagreed", "allowed %"]]
    for name, levels in reference.agreement.items():
        for level, counts in levels.items():
            guarantee = float(level.rpartition("@")[2])
            allowed = disagreement_limit(levels, level, guarantee, limit_alpha)
            figures = (counts.right, counts.right_disagreed, counts.wrong, counts.wrong_disagreed)
            shown = "not tested" if allowed is None else f"{100 * allowed:.1f}"
            rows.append([name, level, *map(str, figures), shown])
    return align(rows, left=2)


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
