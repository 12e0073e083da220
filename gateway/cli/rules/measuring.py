"""``cascade rules measure``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.cli.main import current_home
from gateway.cli.rules.common import as_json
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.split import Split
from gateway.home import Home
from gateway.tiers.rules import RulesTier
from gateway.tiers.rules.measure import measure, render_figures, unknown_labels
from gateway.tiers.rules.savings import estimate_savings


@click.command("measure")
@click.argument("task")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), metavar="DATA.jsonl", help="Labelled documents."
)
@click.option("--part", help="Part of the task's split.json. Default: all documents.")
@click.option(
    "--quality",
    type=click.FloatRange(0.5, 1, max_open=True),
    help="The share of right answers from which a rule counts as trusted. Default: each field's own.",
)
@as_json
def measure_rules(task: str, data: Path, part: str | None, quality: float | None, as_json: bool) -> None:
    """Measure each rule of TASK on labelled documents: how often it finds something, and how often that is right;
    which rules contradict each other, which never find anything, and how much would need no model.

    A rule counts on the documents on which it is tried: where its `unless` lets it. Intervals are exact (95 %). Figures
    on the documents that rules were written from, or lookups made of, flatter them.
    """
    home = current_home()
    tier = RulesTier.load(home.rules, home.task(task))
    documents = _documents(home, task, data, part)
    figures = measure(tier, documents)
    savings = estimate_savings(tier, documents, figures, quality)
    unknown = unknown_labels(tier.rules.task, documents)
    if as_json:
        report = {name: found.as_json() for name, found in figures.items()}
        answer = {
            "fields": report,
            "savings": savings.as_json(),
            "timeouts": dict(tier.timeouts),
            "unknown_labels": unknown,
        }
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(render_figures(figures.values()))
    click.echo(savings.render())
    for name, count in unknown.items():
        fields = ", ".join(tier.rules.task.fields)
        click.echo(
            f"{count} documents have a label {name!r}, and the task has no such field; it has {fields}", err=True
        )
    for found in figures.values():
        if not found.documents:
            click.echo(f"no document has a label {found.name!r}", err=True)
    for source, count in tier.timeouts.items():
        click.echo(f"{source} ran out of time on {count} documents", err=True)


def _documents(home: Home, task: str, data: Path, part: str | None) -> list[LabelledDocument]:
    documents = read_dataset(data)
    return documents if part is None else Split.load(home.models / task / "split.json").select(documents, part)
