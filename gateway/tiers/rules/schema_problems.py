"""What is wrong with the content of a file, as places in it and plain messages."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from gateway.tiers.rules.yamlfile import PathPart

SchemaProblemKind = Literal["unknown-key", "missing-key", "unknown-kind", "bad-value"]


@dataclass(frozen=True)
class SchemaProblem:
    """One thing that is wrong; ``path`` leads to it, for a missing key to where it should stand."""

    kind: SchemaProblemKind
    path: tuple[PathPart, ...]
    message: str


def schema_problems(error: ValidationError, raw: Any) -> list[SchemaProblem]:
    """Everything pydantic complains of in ``raw``, each place once."""
    found: dict[tuple[PathPart, ...], SchemaProblem] = {}
    for item in error.errors(include_url=False):
        problem = _problem(item, raw)
        found.setdefault(problem.path, problem)
    return list(found.values())


def _problem(item: Mapping[str, Any], raw: Any) -> SchemaProblem:
    kind = item["type"]
    path = _path_in(raw, item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return SchemaProblem("missing-key", (*path, item["loc"][-1]), message)
    if kind in ("extra_forbidden", "invalid_key"):
        return SchemaProblem("unknown-key", path, "unknown key")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return SchemaProblem("unknown-kind", (*path, "kind"), message)
    if kind == "value_error":
        # A check of several keys names the key at the beginning of its message.
        key, colon, rest = message.partition(": ")
        if colon and key.isidentifier():
            required = rest.startswith("Field required")
            return SchemaProblem("missing-key" if required else "bad-value", (*path, key), rest)
    if kind == "string_type" and isinstance(item.get("input"), (int, float, datetime.date)):
        message = "a text is wanted here: write it in quotes"
    if kind == "string_type" and isinstance(item.get("input"), (list, Mapping)):
        message = "a text is wanted here; without quotes [ ] is a list and { } a mapping: write it in single quotes"
    return SchemaProblem("bad-value", path, message)


def _path_in(raw: Any, location: Sequence[PathPart]) -> tuple[PathPart, ...]:
    """The parts of pydantic's location that are keys of the file: it also names the variants it tried."""
    path: list[PathPart] = []
    fresh = True
    for part in location:
        # The kind that chose the variant comes first inside a rule; it may be called like a key of the rule.
        variant = fresh and isinstance(raw, Mapping) and raw.get("kind") == part
        fresh = False
        if not variant and isinstance(raw, Mapping) and part in raw:
            raw = raw[part]
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
            fresh = True
        else:
            continue
        path.append(part)
    return tuple(path)
