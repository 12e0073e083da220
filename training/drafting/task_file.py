"""A first ``task.yaml`` from labelled documents: fields, types and how values are written, each with its evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gateway.errors import DatasetError, InvalidRequest
from gateway.evaluation.dataset import LabelledDocument
from gateway.tiers.rules.loading import RESERVED_FILES
from gateway.values import VALUE_TYPES, ValueType
from training.data.check.fields import FieldFacts, field_facts, labels_are_closed
from training.data.check.value_types import Writing
from training.data.importing.naming import FIELD_NAME, task_name_of

_WIDTH = 116


def draft_task(
    name: str,
    documents: Sequence[LabelledDocument],
    fields: Sequence[str] = (),
    types: Mapping[str, ValueType] | None = None,
) -> str:
    """The text of a ``task.yaml`` that fits labelled documents.

    Args:
        name: the task's name.
        documents: labelled documents; all of them are looked at, since a type decides nothing about any of them.
        fields: the fields to take; all that have a value where none is named.
        types: types that are known better than from the values.

    Raises:
        DatasetError: no field has a value, or a field's name is none for a task; the message says what to do.
        InvalidRequest: the task's name is none, or ``fields`` or ``types`` name a field that no document labels.
    """
    types = types or {}
    if not FIELD_NAME.fullmatch(name):
        raise InvalidRequest(f"a task cannot be called {name!r}: small letters a to z, digits, - and _, a letter first")
    facts, writing = field_facts(documents)
    for option, named in (("--fields", fields), ("--type", types)):
        unknown = [field for field in named if field not in facts]
        if unknown:
            raise InvalidRequest(f"{option}: no document labels {unknown[0]!r}; there are {', '.join(facts) or 'none'}")
    chosen = [facts[field] for field in (fields or facts) if fields or facts[field].valued]
    if not any(field.valued for field in chosen):
        raise DatasetError("no document has a value of a field: label some, then try again")
    for field in chosen:
        if not FIELD_NAME.fullmatch(field.name) or f"{field.name}.yaml" in RESERVED_FILES:
            made = task_name_of(field.name)
            better = made if made and f"{made}.yaml" not in RESERVED_FILES else "NAME"
            raise DatasetError(
                f"a field cannot be called {field.name!r} (small letters a to z, digits, - and _; not task or filters):"
                f" cascade data import jsonl DATA OUT --rename {field.name}={better}, or leave it out with --fields"
            )
    return _text(name, len(documents), chosen, facts, writing, types)


def _text(
    name: str,
    documents: int,
    chosen: Sequence[FieldFacts],
    facts: Mapping[str, FieldFacts],
    writing: Writing,
    types: Mapping[str, ValueType],
) -> str:
    options = writing.options
    closed = labels_are_closed({field.name: field for field in chosen})
    lines = [
        "# yaml-language-server: $schema=../schema/task.schema.json",
        f"# Drafted from {documents} labelled documents; edit it. What each line rests on stands behind it.",
        f"task: {name}",
        'description: ""  # for people, and for a large model that is asked in words',
        "quality: 0.9  # the share of accepted answers that must be right; a field may have its own",
        f"day_first: {_truth(options.day_first)}  # {_dates(writing)}",
    ]
    if options.region:
        lines.append(
            f'region: "{options.region}"  # the country of all {writing.regions.total()} international numbers'
        )
    if "," in options.decimal or writing.points or writing.commas:
        evidence = f"{writing.points} values with a decimal point, {writing.commas} with a comma"
        lines.append(f'decimal: "{options.decimal}"  # {evidence}')
    missing = sum(bool(field.missing) for field in chosen)
    if not missing:
        why = "no label is missing"
    elif closed:
        why = f"{missing} fields are missing somewhere and none is ever null, so a missing label seems to mean absent"
    else:
        why = "a missing label means that nobody has annotated the field"
    lines.append(f"closed_labels: {_truth(closed)}  # {why}")
    lines.append("tiers: [rules, student, large]  # [rules] alone until models are trained: cascade train " + name)
    lines.append("fields:")
    for field in chosen:
        lines += _field(field, types.get(field.name))
    left = [field for field in facts if field not in {item.name for item in chosen}]
    if left:
        lines.append(f"# Left out: {', '.join(left)}")
    return "\n".join(lines) + "\n"


def _field(field: FieldFacts, given: ValueType | None) -> list[str]:
    evidence = field.evidence
    kind = given or evidence.type
    shown = ", ".join(json.dumps(value[:30], ensure_ascii=False) for value, _ in field.common[:3])
    about = f"{field.valued} documents, {field.different} different values: {shown}"
    if given:
        about += "; the type was named on the command line"
    elif kind != "text":
        about += f"; {evidence.reading} of {evidence.values} read as {kind}"
    elif evidence.nearly:
        about += f"; nearly {evidence.nearly[0]}: {evidence.nearly[1]} of {evidence.values}"
    lines = _comment(f"{about}.")
    if evidence.exceptions and not given and (kind != "text" or evidence.nearly):
        odd = ", ".join(json.dumps(value[:30], ensure_ascii=False) for value in evidence.exceptions[:3])
        lines += _comment(f"Not {kind if kind != 'text' else (evidence.nearly or ('',))[0]}: {odd}.")
    keys = [f"type: {kind}"]
    if field.many:
        keys.append("many: true")
        lines += _comment(f"Up to {field.most} in one document.")
    if field.null:
        keys.append(f"null_means: {field.null_means}")
        share = f"null in {field.null} of {field.null + field.valued}"
        guess = "so few are rather forgotten than absent" if field.null_means == "unannotated" else "taken as absent"
        lines += _comment(f"{share}: {guess}.")
    return [*lines, f"  {field.name}: {{{', '.join(keys)}}}"]


def _comment(text: str) -> list[str]:
    """Lines of a comment above a field; line breaks and control characters in quoted values are escaped already."""
    readable = "".join(char if char.isprintable() else " " for char in text)
    lines = [""]
    for word in readable.split():
        if lines[-1] and len(lines[-1]) + len(word) >= _WIDTH:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{word}"
    return [f"  # {line}" for line in lines]


def _dates(writing: Writing) -> str:
    if not writing.day_first and not writing.month_first:
        return "whether 04/05/2018 is the 4th of May; no date in the data tells, so this is the default"
    return (
        f"{writing.day_first} dates can only have the day first, {writing.month_first} only the month;"
        f" {writing.either} could be either"
    )


def _truth(value: bool) -> str:
    return "true" if value else "false"


def parse_types(pairs: Sequence[str]) -> dict[str, ValueType]:
    """``FIELD=TYPE`` pairs as a mapping.

    Raises:
        InvalidRequest: a pair is none, or names no type.
    """
    found: dict[str, ValueType] = {}
    for pair in pairs:
        name, _, kind = pair.partition("=")
        matching = [known for known in VALUE_TYPES if known == kind]
        if not name or not matching:
            raise InvalidRequest(f"--type {pair!r}: give FIELD=TYPE, with one of {', '.join(VALUE_TYPES)}")
        found[name] = matching[0]
    return found
