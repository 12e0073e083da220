"""``cascade rules explain``."""

from __future__ import annotations

import json
from typing import Any

import click

from gateway.cli.main import current_home
from gateway.cli.rules.common import as_json
from gateway.tiers.rules import RulesTier
from gateway.tiers.rules.explain import RuleExplanation, explain_document


@click.command()
@click.argument("task")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="surrogateescape"))
@click.option("--field", "only", multiple=True, metavar="FIELD", help="Only this field; may be given several times.")
@as_json
def explain(task: str, file: Any, only: tuple[str, ...], as_json: bool) -> None:
    """Show what each rule of TASK finds in the text of FILE (- for standard input), and why others find nothing."""
    home = current_home()
    spec = home.task(task)
    fields = spec.check_fields(list(only) or None)
    tier = RulesTier.load(home.rules, spec)
    text = file.read()
    hit, found = explain_document(tier, text)
    if as_json:
        report: dict[str, Any] = {name: found[name].as_json() for name in fields}
        if hit is not None:
            report["filtered"] = {"filter": hit.filter, "kind": hit.kind, "message": hit.message}
        click.echo(json.dumps(report, indent=2))
        return
    if hit is not None:
        click.echo(f"filtered by {hit.filter}: {hit.message}; no field of this text would be answered")
    for name in fields:
        best = found[name].best
        click.echo(f"{name}: " + (f"{best.value!r} by {best.source}" if best else "nothing"))
        for rule in found[name].rules:
            _print_rule(rule, text)


def _print_rule(rule: RuleExplanation, text: str) -> None:
    label = rule.source.partition("/")[2]
    lines = [
        f"line {text.count(chr(10), 0, candidate.spans[0][0]) + 1}: {candidate.value!r} ({candidate.normalised})"
        for candidate in rule.candidates
    ] or [str(reason) for reason in rule.reasons]
    for line in lines or ["-"]:
        click.echo(f"  {label:28} {line}")
        label = ""
