"""``cascade rules``: check, test, list, explain and measure the rules of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway.cli.main import current_home
from gateway.document import Document
from gateway.errors import InputError, RuleFileError
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.split import Split
from gateway.home import Home
from gateway.tiers.rules import RulesTier
from gateway.tiers.rules.examples import run_examples
from gateway.tiers.rules.measure import measure, render_figures
from gateway.tiers.rules.tier import RuleRun

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
optional_task = click.argument("task", required=False)


@click.group()
def rules() -> None:
    """Check, test, list, explain and measure rules."""


@rules.command()
@optional_task
@as_json
@click.pass_context
def check(ctx: click.Context, task: str | None, as_json: bool) -> None:
    """Read the rules of TASK (or of every task). Exit code 1 when a file is wrong; it says which, and where."""
    home = current_home()
    found: dict[str, dict[str, Any]] = {}
    for name in _tasks(home, task):
        try:
            tier = RulesTier.load(home.rules, home.task(name))
            found[name] = {"rules": len(tier.sources), "version": tier.version}
        except RuleFileError as error:
            found[name] = {"error": error.message, **(error.detail or {})}
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for name, facts in found.items():
            click.echo(f"{name}: {facts.get('error') or '{rules} rules, {version}'.format(**facts)}")
    if any("error" in facts for facts in found.values()):
        ctx.exit(1)


@rules.command()
@optional_task
@as_json
@click.pass_context
def test(ctx: click.Context, task: str | None, as_json: bool) -> None:
    """Run the examples in the rule files of TASK (or of every task). Exit code 1 when one fails."""
    home = current_home()
    results = {name: list(run_examples(RulesTier.load(home.rules, home.task(name)))) for name in _tasks(home, task)}
    failed = [(name, result) for name, found in results.items() for result in found if not result.passed]
    total = sum(map(len, results.values()))
    if as_json:
        failures = [
            {
                "task": name,
                "rule": result.source,
                "text": result.text,
                "expected": result.expected,
                "found": result.found,
            }
            for name, result in failed
        ]
        click.echo(json.dumps({"examples": total, "failed": failures}, indent=2, ensure_ascii=False))
    else:
        for name, result in failed:
            click.echo(f"{name}: {result.source}: {result.text!r}")
            click.echo(f"  expected {_shown(result.expected)}, found {_shown(result.found)}")
        click.echo(f"{total} examples, {len(failed)} failed")
    if failed:
        ctx.exit(1)


@rules.command("list")
@optional_task
@as_json
def list_rules(task: str | None, as_json: bool) -> None:
    """Show the rules of TASK (or of every task) in the order they are tried."""
    home = current_home()
    found = {
        name: [
            {
                "rule": rule.source,
                "kind": rule.spec.kind,
                "priority": rule.spec.priority,
                "precision": rule.spec.precision,
                "examples": len(rule.spec.examples),
                "description": rule.spec.description,
            }
            for rule in RulesTier.load(home.rules, home.task(name)).rules.rules
        ]
        for name in _tasks(home, task)
    }
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for name, listed in found.items():
        click.echo(f"task {name}")
        for item in listed:
            stated = "" if item["precision"] is None else f"{item['precision']:.3f}"
            click.echo(f"  {item['rule']:36} {item['kind']:10} {item['priority']:5} {stated:6} {item['description']}")


@rules.command()
@click.argument("task")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="surrogateescape"))
@as_json
def explain(task: str, file: Any, as_json: bool) -> None:
    """Show what each rule of TASK finds in the text of FILE (- for standard input), and what comes of it."""
    home = current_home()
    spec = home.task(task)
    tier = RulesTier.load(home.rules, spec)
    document = Document(file.read())
    traced = tier.trace(document, list(spec.fields))
    best = {name: proposal.best for name, proposal in tier.propose([document], list(spec.fields))[0].proposals.items()}
    if as_json:
        found = {
            name: {
                "best": best[name].as_json() if best[name] else None,  # type: ignore[union-attr]
                "rules": [
                    {
                        "rule": run.rule.source,
                        "outcome": run.outcome,
                        "candidates": [c.as_json() for c in run.candidates],
                    }
                    for run in runs
                ],
            }
            for name, runs in traced.items()
        }
        click.echo(json.dumps(found, indent=2))
        return
    for name, runs in traced.items():
        candidate = best[name]
        click.echo(f"{name}: " + (f"{candidate.value!r} by {candidate.source}" if candidate else "nothing"))
        for run in runs:
            _explain_run(run, document.text)


@rules.command("measure")
@click.argument("task")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), metavar="DATA.jsonl", help="Labelled documents."
)
@click.option("--part", help="Part of the task's split.json. Default: all documents.")
@as_json
def measure_rules(task: str, data: Path, part: str | None, as_json: bool) -> None:
    """Measure each rule of TASK on labelled documents: how often it finds something, and how often that is right.

    Intervals are exact (95 %). Figures on the documents that rules were written from, or lookups made of, flatter them.
    """
    home = current_home()
    tier = RulesTier.load(home.rules, home.task(task))
    figures = measure(tier, _documents(home, task, data, part))
    if as_json:
        report = {name: found.as_json() for name, found in figures.items()}
        click.echo(json.dumps({"fields": report, "timeouts": dict(tier.timeouts)}, indent=2))
        return
    click.echo(render_figures(figures.values()))
    for source, count in tier.timeouts.items():
        click.echo(f"{source} ran out of time on {count} documents", err=True)


def _tasks(home: Home, task: str | None) -> list[str]:
    """The task asked for, or all.

    Raises:
        InputError: the home has no task.
    """
    names = home.tasks() if task is None else [task]
    if not names:
        raise InputError(f"{home.rules} has no tasks")
    return names


def _documents(home: Home, task: str, data: Path, part: str | None) -> list[LabelledDocument]:
    documents = read_dataset(data)
    return documents if part is None else Split.load(home.models / task / "split.json").select(documents, part)


def _explain_run(run: RuleRun, text: str) -> None:
    reason = {"skipped": "not tried: another rule found something", "timeout": "ran out of time"}.get(run.outcome, "-")
    if not run.candidates:
        click.echo(f"  {run.rule.spec.id:28} {reason}")
    for candidate in run.candidates:
        line = text.count("\n", 0, candidate.spans[0][0]) + 1
        click.echo(f"  {run.rule.spec.id:28} line {line}: {candidate.value!r} ({candidate.normalised})")


def _shown(value: str | None) -> str:
    return "nothing" if value is None else repr(value)
