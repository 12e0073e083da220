"""``cascade eval``: precision, recall, F1, cost and errors of tiers and cascade on labelled documents."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from gateway.cli.extract import QUALITY
from gateway.cli.main import current_home
from gateway.cli.session import Session, open_session
from gateway.engine import LoadedTask
from gateway.errors import InvalidRequest, PolicyError
from gateway.evaluation.bootstrap import GroupBootstrap
from gateway.evaluation.charts import default_directory, recorded, write_charts
from gateway.evaluation.dataset import file_digest
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.evaluation.replay import Recorded
from gateway.evaluation.report import FORMAT, build_report
from gateway.evaluation.selection import Selection, select_documents
from gateway.evaluation.systems import SYSTEMS, SystemName, SystemRun, run_systems
from gateway.evaluation.table import render
from gateway.files import write_json
from gateway.home import Home
from gateway.policy import Policy

RESAMPLES, SEED = 2000, 0
STDOUT = Path("-")


@click.command()
@click.argument("task")
@click.argument("data", type=click.Path(path_type=Path), metavar="DATA.jsonl")
@click.option("--part", help="Part of the task's split.json. Default: all documents.")
@click.option("--systems", metavar="SYSTEM,...", help=f"What to run. Default: {','.join(SYSTEMS)}.")
@click.option("--quality", type=QUALITY, help="The cascade's target. Default: the task's.")
@click.option("--allow-seen", is_flag=True, help="Evaluate even on documents the task was trained on.")
@click.option("--limit", type=click.IntRange(min=1), help="Take only the first documents.")
@click.option(
    "--json",
    "out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True, writable=True),
    metavar="OUT.json",
    help="Write all figures to a file; - writes them to standard output instead of the tables.",
)
@click.option(
    "--charts",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where curve and reliability go. Default: .cascade/figures/TASK/PART in the home.",
)
@click.pass_context
def evaluate(
    context: click.Context,
    task: str,
    data: Path,
    part: str | None,
    systems: str | None,
    quality: float | None,
    allow_seen: bool,
    limit: int | None,
    out: Path | None,
    charts: Path | None,
) -> None:
    """Measure tiers alone and the cascade on the labelled documents of DATA.jsonl.

    The exit code is 1 when a document failed, or a system named with --systems could not be run.
    """
    home = current_home()
    names = parse_systems(systems)
    spec = home.task(task)
    split = home.models / task / "split.json"
    policy = _policy(home.models / task / "policy.json")
    selection = select_documents(data, task, split, part=part, allow_seen=allow_seen, limit=limit, policy=policy)
    annotated = check_labels(spec, selection.documents)
    with open_session(home, task) as session:
        runs = _run(session, selection, names, quality)
        loaded = session.task
    bootstrap = GroupBootstrap(selection.groups, resamples=RESAMPLES, seed=SEED)
    asked = spec.qualities(quality)
    report = {
        "format": FORMAT,
        "task": task,
        "quality": spec.quality if quality is None else quality,
        "quality_by_field": asked,
        "data": {
            "path": str(data),
            "part": part,
            "documents": len(selection.documents),
            "groups": bootstrap.groups,
            "annotated": annotated,
        },
        **build_report(spec, selection.documents, runs, bootstrap),
        "notes": [*selection.notes, *_problems(loaded, runs), *_uncertified(loaded, asked)],
        "bootstrap": {"resamples": bootstrap.resamples, "level": bootstrap.level, "seed": bootstrap.seed},
        "provenance": _provenance(loaded, data, split),
    }
    if out is not None and out != STDOUT:
        write_json(out, report)
    click.echo(json.dumps(report, indent=2, ensure_ascii=False) if out == STDOUT else render(report), nl=out == STDOUT)
    written = _write_charts(loaded, recorded(selection.documents, runs), charts, home, part)
    failed = any(record.failure for run in runs.values() for record in run.records)
    missing = systems is not None and any(run.problem for run in runs.values())
    if failed or missing or not (written or charts is None):
        context.exit(1)


def _policy(path: Path) -> Policy | None:
    try:
        return Policy.load(path)
    except PolicyError:
        return None  # what is wrong with it is among the task's problems


def _write_charts(
    task: LoadedTask, items: Sequence[Recorded], directory: Path | None, home: Home, part: str | None
) -> bool:
    """Write curve and reliability, and say so; whether that went well."""
    if not items:
        return True
    target = directory or default_directory(home, task.spec.name, part)
    title = f"{task.spec.name}, {part or 'all documents'}"
    try:
        found = write_charts(target, task.spec, task.policy or Policy(task.spec.name), items, title, task.not_trusted)
    except OSError as error:
        click.echo(f"{target}: charts could not be written ({error.strerror or error})", err=True)
        return False
    click.echo(f"{target}: {', '.join(path.name for path in found.paths)}", err=True)
    if found.note:
        click.echo(found.note, err=True)
    return True


def parse_systems(text: str | None) -> tuple[SystemName, ...]:
    """The systems of a comma-separated list, in the order rules, student, large, cascade; all of them for ``None``.

    Raises:
        InvalidRequest: a name is none of them, or there is none.
    """
    if text is None:
        return SYSTEMS
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown or not names:
        found = repr(unknown[0]) if unknown else "nothing"
        raise InvalidRequest(f"--systems: expected some of {', '.join(SYSTEMS)}, found {found}")
    return tuple(system for system in SYSTEMS if system in names)


def _run(
    session: Session, selection: Selection, names: tuple[SystemName, ...], quality: float | None
) -> dict[SystemName, SystemRun]:
    with tqdm(total=len(selection.documents), unit=" documents", disable=not sys.stderr.isatty()) as bar:
        return session.runner.run(
            run_systems(
                session.engine,
                session.task,
                selection.documents,
                names,
                quality=quality,
                on_document=bar.update,
            )
        )


def _problems(task: LoadedTask, runs: Mapping[SystemName, SystemRun]) -> list[str]:
    """The task's problems, less those that the report gives as the reason why a system was not run."""
    told = {f"{name}: {run.problem}" for name, run in runs.items() if run.problem}
    return [problem for problem in task.problems if problem not in told]


def _uncertified(task: LoadedTask, qualities: Mapping[str, float]) -> list[str]:
    """A note on the fields for which the cascade can accept nothing at their quality."""
    if task.policy is None:
        return []
    chain = tuple(tier for tier in task.spec.tiers if tier not in task.unavailable)
    lacking = [
        name
        for name in task.spec.fields
        if not any(
            target >= qualities[name] - 1e-9
            for target in task.policy.targets(
                tuple(tier for tier in chain if tier not in task.not_trusted.get(name, ())), name
            )
        )
    ]
    asked = ", ".join(f"{qualities[name]:g} for {name}" for name in lacking)
    return [f"not certified, so all in review: quality {asked}"] if lacking else []


def _provenance(task: LoadedTask, data: Path, split: Path) -> dict[str, Any]:
    digests = {
        "data": f"sha256:{file_digest(data)}",
        **{name: digest for name, digest in task.versions.items() if isinstance(digest, str)},
    }
    if split.is_file():
        digests["split"] = f"sha256:{file_digest(split)}"
    return {
        "command": command_line(sys.argv),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "versions": versions(),
        "modes": {tier: status.mode for tier, status in task.models.items() if status.mode},
        "digests": digests,
    }
