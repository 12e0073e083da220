"""``cascade rules check`` and ``cascade rules schema``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gateway.cli.main import current_home
from gateway.cli.rules.common import as_json, optional_task, tasks
from gateway.cli.rules.standing import measured_policy, report_standing
from gateway.home import Home
from gateway.tiers.rules import load_rules
from gateway.tiers.rules.lint import Finding, PatternMemory, check_copy, check_task
from gateway.tiers.rules.lint.findings import CODES, Report
from gateway.tiers.rules.publishing import DIRECTORY, outdated_schemas, write_schemas


@click.command()
@optional_task
@click.option("--strict", is_flag=True, help="Exit code 1 on warnings too.")
@click.option("--ignore", "ignored", multiple=True, metavar="CODE", help="Leave out warnings with this code.")
@as_json
@click.pass_context
def check(ctx: click.Context, task: str | None, strict: bool, ignored: tuple[str, ...], as_json: bool) -> None:
    """Find everything that is wrong with the rules of TASK (or of every task): file:line:column, code, message.

    Exit code 1 when there is an error; docs/rule-codes.md explains the codes.
    """
    for code in ignored:
        if code not in CODES or CODES[code].severity == "error":
            raise click.BadParameter(f"{code} is no code of a warning", param_hint="--ignore")
    home = current_home()
    found: dict[str, list[Finding]] = {}
    facts: dict[str, dict[str, Any]] = {}
    memory = PatternMemory()
    copies = home.copies() if task is None else {}
    for name in tasks(home, task):
        items = check_task(home.rules, name, memory)
        facts[name] = {}
        if not any(item.severity == "error" for item in items):
            facts[name], more = _facts(home, name, memory)
            items = sorted((*items, *more), key=lambda item: (item.file, item.line, item.column, item.code))
        found[name] = [item for item in items if item.code not in ignored]
    for name, copy_of in copies.items():
        found[name] = [item for item in check_copy(home.rules, name, copy_of) if item.code not in ignored]
        facts[name] = {}
    if as_json:
        report = {
            name: {"findings": [item.as_json() for item in items], **facts[name]} for name, items in found.items()
        }
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(found, facts)
    severities = {item.severity for items in found.values() for item in items}
    if "error" in severities or (strict and severities):
        ctx.exit(1)


def _print(found: dict[str, list[Finding]], facts: dict[str, dict[str, Any]]) -> None:
    # The library is everybody's: what is wrong there is said once.
    lines = dict.fromkeys(_shown(item) for items in found.values() for item in items)
    for line in lines:
        click.echo(line)
    for name, items in found.items():
        errors = sum(item.severity == "error" for item in items)
        counts = f"{errors} errors, {len(items) - errors} warnings"
        about = "{rules} rules, {version}, ".format(**facts[name]) if "version" in facts[name] else ""
        click.echo(f"{name}: {about}{counts}")


def _shown(item: Finding) -> str:
    try:
        path = Path(item.file).relative_to(Path.cwd())
    except ValueError:
        path = Path(item.file)
    about = f" [{item.rule}]" if item.rule else ""
    return f"{path}:{item.line}:{item.column}: {item.code} {item.severity}: {item.message}{about}"


def _facts(home: Home, name: str, memory: PatternMemory) -> tuple[dict[str, Any], Sequence[Finding]]:
    """What there is to say of rules that load: how many, their version, and fields to calibrate again, with findings
    on those."""
    rules = load_rules(home.rules, home.task(name), memory.compiled)
    facts: dict[str, Any] = {"rules": len(rules.rules), "version": rules.digest}
    policy = measured_policy(home, name)
    if policy is None:
        return facts, ()
    report = Report()
    facts["calibrate"] = report_standing(home, rules, policy, report)
    return facts, report.findings


@click.command()
@click.option("--write", is_flag=True, help=f"Write them to rules/{DIRECTORY}/ of the home.")
@click.pass_context
def schema(ctx: click.Context, write: bool) -> None:
    """Compare the JSON Schemas in rules/schema/, by which editors check rule files, with this version's.

    Exit code 1 when one is missing or says something else; --write brings them up to date.
    """
    directory = current_home().rules / DIRECTORY
    if write:
        for path in write_schemas(directory):
            click.echo(f"wrote {path}")
        return
    outdated = outdated_schemas(directory)
    for path in outdated:
        click.echo(f"{path} is not up to date: `cascade rules schema --write`")
    if outdated:
        ctx.exit(1)
    click.echo(f"{directory} is up to date")
