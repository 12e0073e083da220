"""``cascade rules test`` and ``cascade rules list``."""

from __future__ import annotations

import json

import click

from gateway.cli.main import current_home
from gateway.cli.rules.common import as_json, optional_task, shown, tasks
from gateway.tiers.rules import RulesTier, load_rules
from gateway.tiers.rules.examples import run_examples, run_filter_examples


@click.command()
@optional_task
@as_json
@click.option("-v", "--verbose", is_flag=True, help="Show every example, not only those that fail.")
@click.pass_context
def test(ctx: click.Context, task: str | None, as_json: bool, verbose: bool) -> None:
    """Run the examples in the rule files of TASK (or of every task). Exit code 1 when one fails.

    Each example is run on its rule alone; shown is also which rule of the field answers that text.
    """
    home = current_home()
    # Examples are short: to work out first which rules can find anything in them costs more than to run them.
    tiers = {name: RulesTier.load(home.rules, home.task(name), prefilter=False) for name in tasks(home, task)}
    results = [(name, result) for name, tier in tiers.items() for result in run_examples(tier)]
    filters = [(name, result) for name, tier in tiers.items() for result in run_filter_examples(tier.rules.filters)]
    total = len(results) + len(filters)
    failed = [entry for entry in (*results, *filters) if not entry[1].passed]
    if as_json:
        listed = [{"task": name, **result.as_json()} for name, result in (*results, *filters)]
        report = {"examples": total, "failed": [item for item in listed if not item["passed"]], "results": listed}
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for name, result in (*results, *filters):
            if verbose or not result.passed:
                click.echo(f"{name}: {result.source}: {result.text!r}")
                click.echo(f"  expected {shown(result.expected)}, found {shown(result.found)}{_answer(result)}")
        click.echo(f"{total} examples, {len(failed)} failed")
    if failed:
        ctx.exit(1)


def _answer(result: object) -> str:
    by = getattr(result, "answered_by", None)
    return f"; the field's answer comes from {by}" if by else ""


@click.command("list")
@optional_task
@as_json
def list_rules(task: str | None, as_json: bool) -> None:
    """Show the rules of TASK (or of every task) in the order they are tried, and its filters."""
    home = current_home()
    sets = {name: load_rules(home.rules, home.task(name)) for name in tasks(home, task)}
    found = {
        name: [
            {
                "rule": rule.source,
                "kind": rule.spec.kind,
                "type": rule.kind,
                "priority": rule.spec.priority,
                "precision": rule.spec.precision,
                "author_precision": rule.spec.author_precision,
                "examples": len(rule.spec.examples),
                "description": rule.spec.description,
                "digest": digest,
            }
            for rule, digest in zip(rules.rules, rules.rule_digests.values(), strict=True)
        ]
        for name, rules in sets.items()
    }
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for name, listed in found.items():
        click.echo(f"task {name}")
        for item in sets[name].filters.filters:
            click.echo(f"  {item.source:36} {item.kind:10}")
        for rule in listed:
            stated = "" if rule["precision"] is None else f"{rule['precision']:.3f}"
            click.echo(f"  {rule['rule']:36} {rule['kind']:10} {rule['priority']:5} {stated:6} {rule['description']}")
