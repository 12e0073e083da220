"""Linting all rule files of a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gateway.errors import TaskFileError
from gateway.task import TaskSpec, load_task
from gateway.tiers.rules.lint.clock import Clock
from gateway.tiers.rules.lint.fields import FieldChecks, LintedRule
from gateway.tiers.rules.lint.filter_checks import check_filters
from gateway.tiers.rules.lint.findings import COPY, Finding, Report, copy_message
from gateway.tiers.rules.lint.library import PatternChecks, read_library
from gateway.tiers.rules.lint.lookups import LookupChecks
from gateway.tiers.rules.lint.memory import PatternMemory
from gateway.tiers.rules.lint.reading import read_as, read_yaml
from gateway.tiers.rules.lint.trying import try_examples
from gateway.tiers.rules.loading import FILTERS_FILE, RESERVED_FILES
from gateway.tiers.rules.task_schema import TaskFile

_TASK: TypeAdapter[Any] = TypeAdapter(TaskFile)


def check_task(rules_dir: Path, task_name: str, memory: PatternMemory | None = None) -> list[Finding]:
    """Everything that is wrong with the files of a task, by file, line and column.

    Reads ``<rules_dir>/<task_name>/`` and ``<rules_dir>/library/``. Never raises for what a file holds, and ends in
    bounded time and memory whatever that is. Without a usable ``task.yaml`` the rules are not looked at. A ``memory``
    that is kept from check to check makes the next one cheaper; the findings are the same.
    """
    report = Report()
    clock = Clock()
    directory = rules_dir / task_name
    task = _read_task(directory / "task.yaml", task_name, report)
    if task is None:
        return list(report.findings)
    library = read_library(rules_dir / "library", report)
    patterns = PatternChecks(library, report, clock, memory)
    patterns.library(library.places)
    lookups = LookupChecks(directory, report, task.options)
    checks = FieldChecks(library.names, patterns, lookups, report, clock)
    fields: dict[str, list[LintedRule]] = {}
    for name, field in task.fields.items():
        path = directory / f"{name}.yaml"
        fields[name] = []
        if path.name in RESERVED_FILES:
            report.add(
                "R014", directory / "task.yaml", f"a field cannot be called {name!r}: {path.name} is not its file"
            )
        elif path.exists():
            fields[name] = checks.check(path, field, task.options)
        else:
            report.add("R023", directory / "task.yaml", f"{name} has no rules: there is no file {path.name}")
    known = {f"{name}.yaml" for name in task.fields} | RESERVED_FILES
    for path in sorted(directory.glob("*.y*ml")):
        if path.name not in known:
            report.add("R022", path, f"the task has no field of this name; it has {', '.join(task.fields)}")
    if (directory / FILTERS_FILE).exists():
        check_filters(directory / FILTERS_FILE, library.names, patterns, report, clock)
    lookups.unused()
    try_examples(task, fields, report, clock)
    return list(report.findings)


def check_copy(rules_dir: Path, directory: str, task_name: str) -> list[Finding]:
    """The finding for a directory that is a copy of a task's (:meth:`gateway.home.Home.copies`)."""
    report = Report()
    report.add(COPY, rules_dir / directory / "task.yaml", copy_message(task_name))
    return list(report.findings)


def _read_task(path: Path, name: str, report: Report) -> TaskSpec | None:
    place = read_yaml(path, report)
    if place is None:
        return None
    before = len(report.findings)
    read_as(_TASK, place.yaml.value, place, report)
    try:
        task = load_task(path)
    except TaskFileError as error:
        if len(report.findings) == before:
            report.add("R015", path, error.message.removeprefix(f"{path}: "))
        return None
    if task.name != name:
        report.at("R015", place.at("task"), f"task is {task.name!r} but the directory is called {name!r}")
    return task
