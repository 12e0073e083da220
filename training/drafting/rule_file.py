"""Drafted rules as files that people read and edit."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.tiers.rules.schema import Example
from training.drafting.drafting import Drafted, FieldDraft
from training.drafting.selecting import Demand

_WORDS = {
    "alone": "any",
    "left": "behind",
    "right": "before",
    "label": "on-line-of",
    "shape": "written-like",
    "position": "line",
    "lookup": "known",
    "joined": "joined",
}
_SLUG = re.compile(r"[^a-z0-9]+")
#: Patterns of figures and signs only make no name.
_LONGEST_NAME = 40


@dataclass(frozen=True)
class WrittenRule:
    """A drafted rule with the id and the examples that its file gives it."""

    identifier: str
    drafted: Drafted
    examples: tuple[Example, ...]


def rule_names(rules: Sequence[Drafted]) -> list[str]:
    """An id for each rule that says what it looks for, different ones."""
    names: list[str] = []
    for rule in rules:
        kind, _, rest = rule.candidate.key.partition(":")
        rest = rest.replace("\\d", "number").replace("\\w", "word").replace("\n", "edge").replace("library:", "")
        slug = _SLUG.sub("-", rest.casefold().encode("ascii", "ignore").decode()).strip("-")
        stem = f"{_WORDS.get(kind, kind)}-{slug}"[:_LONGEST_NAME].strip("-")
        name, number = stem, 2
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names


def lookup_files(field: str, rules: Sequence[WrittenRule]) -> tuple[dict[str, str], dict[str, str]]:
    """Name to content of the lookup files, and rule id to the name of its file; equal lists share one."""
    contents: dict[str, str] = {}
    files: dict[str, str] = {}
    for rule in rules:
        entries = rule.drafted.candidate.entries
        if not entries:
            continue
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["text"])
        writer.writerows([entry] for entry in entries)
        content = stream.getvalue()
        same = next((name for name, other in contents.items() if other == content), None)
        name = same or f"{field}-{'words' if rule.drafted.candidate.key == 'lookup:words' else 'values'}.csv"
        contents[name] = content
        files[rule.identifier] = name
    return contents, files


def field_yaml(
    draft: FieldDraft, rules: Sequence[WrittenRule], files: Mapping[str, str], demand: Demand, folds: int
) -> str:
    """The text of ``rules/<task>/<field>.yaml``; the order of rules is their priority."""
    unseen, sure = draft.unseen, f"{100 * demand.confidence:g} %"
    lines = [
        "# yaml-language-server: $schema=../schema/rules.schema.json",
        f"# Drafted by `cascade rules draft` from {draft.documents} documents of the training part,"
        f" {draft.valued} of them with a value; edit it.",
        f"# Each rule's precision is at least {demand.precision:g} with {sure} confidence, as seen on documents that it"
        " was not made from.",
        f"# Drafted again without one of {folds} folds at a time, the rules answered {unseen.answered} of"
        f" {unseen.expected} values there, {unseen.right} rightly.",
        "# Where a pattern is changed, its `precision` does not hold any more: take it out, or measure again.",
        f"field: {draft.field}",
        "rules:",
    ]
    for place, rule in enumerate(rules):
        lines += _rule(rule, 10 * (len(rules) - place), files.get(rule.identifier), demand)
    return "\n".join(lines) + "\n"


def _rule(rule: WrittenRule, priority: int, file: str | None, demand: Demand) -> list[str]:
    candidate, figures = rule.drafted.candidate, rule.drafted.figures
    keys = dict(candidate.keys)
    kind = keys.pop("kind")
    about = candidate.origin[:1].upper() + candidate.origin[1:]
    lines = [
        f"  # From {candidate.support} documents. On unseen folds right in {figures.right} of {figures.found} answers:"
        f" at least {figures.lower_bound:.3f} with {100 * demand.confidence:g} % confidence.",
        f"  - id: {rule.identifier}",
        f"    kind: {kind}",
        f"    description: {_quoted(about + '.')}",
        f"    priority: {priority}",
        f"    precision: {figures.precision:.3f}",
    ]
    if file is not None:
        lines.append(f"    file: {file}")
    lines += [f"    {key}: {_value(value)}" for key, value in keys.items()]
    lines.append("    examples:")
    for example in rule.examples:
        value = "null" if example.value is None else _quoted(example.value)
        lines.append(f"      - {{text: {_quoted(example.text)}, value: {value}}}")
    return lines


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        plain = value.replace("-", "").replace("_", "")
        return value if plain.isascii() and plain.isalpha() and plain.islower() else _single(value)
    return str(value)


def _single(value: str) -> str:
    """Single quotes, in which backslashes are themselves: patterns stay readable."""
    if not value.isprintable():
        return _quoted(value)
    return "'" + value.replace("'", "''") + "'"


def _quoted(value: str) -> str:
    """Double quotes; JSON's escapes are YAML's."""
    written = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() or ord(char) > 0xFFFF else f"\\u{ord(char):04x}" for char in written)
