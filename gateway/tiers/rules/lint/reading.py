"""Reading files for the linter: whatever is wrong with one becomes a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.tiers.rules.lint.findings import Place, Report
from gateway.tiers.rules.schema_problems import SchemaProblemKind, schema_problems
from gateway.tiers.rules.yamlfile import MAX_YAML_BYTES, PathPart, ProblemKind, YamlProblem, decode, parse_yaml

_YAML_CODES: Mapping[ProblemKind, str] = {
    "too-large": "R002",
    "encoding": "R003",
    "character": "R005",
    "syntax": "R006",
    "tab": "R007",
    "too-deep": "R008",
    "duplicate-key": "R009",
}
_SCHEMA_CODES: Mapping[SchemaProblemKind, str] = {
    "unknown-key": "R010",
    "missing-key": "R011",
    "unknown-kind": "R012",
    "bad-value": "R013",
}


def read_text(path: Path, report: Report, most: int) -> str | None:
    """A file's text without a byte order mark, or ``None`` where it cannot be read."""
    try:
        if not path.is_file():
            report.add("R001", path, "cannot be read: no regular file")
            return None
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        report.add("R001", path, f"cannot be read: {error.strerror}")
        return None
    try:
        text = decode(content, most)
    except YamlProblem as error:
        report.add(_YAML_CODES[error.kind], path, str(error), error.line, error.column)
        return None
    if text.startswith("\ufeff"):
        report.add("R004", path, "begins with a byte order mark; save it as UTF-8 without one")
        text = text[1:]
    return text


def read_yaml(path: Path, report: Report) -> Place | None:
    """A YAML file, or ``None`` where it is none."""
    text = read_text(path, report, MAX_YAML_BYTES)
    if text is None:
        return None
    try:
        return Place(path, parse_yaml(text))
    except YamlProblem as error:
        report.add(_YAML_CODES[error.kind], path, str(error), error.line, error.column)
        return None


def read_as(adapter: TypeAdapter[Any], raw: Any, place: Place, report: Report) -> Any:
    """``raw``, which stands at ``place``, as the adapter's type; ``None`` with findings where it is not."""
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        for problem in schema_problems(error, raw):
            key = str(problem.path[-1]) if problem.path else "file"
            if problem.kind == "missing-key":
                report.at("R011", place.at(*problem.path[:-1]), f"{key} is missing")
            elif problem.kind == "unknown-key":
                # What a comma has cut off a text stands there as a key without a value.
                cut = "; between { } a text with a comma wants quotes" if _value_at(raw, problem.path) is None else ""
                report.at("R010", place.at(*problem.path), f"unknown key {key[:60]!r}{cut}", key=True)
            else:
                where = ".".join(map(str, problem.path)) or "file"
                report.at(_SCHEMA_CODES[problem.kind], place.at(*problem.path), f"{where}: {problem.message}")
    return None


def _value_at(raw: Any, path: Sequence[PathPart]) -> Any:
    for part in path:
        raw = raw[part]
    return raw
