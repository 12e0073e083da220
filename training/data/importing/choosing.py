"""Which of a source's values count: those of another field that says the same in a better form, or those of a form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.document import Span
from gateway.errors import DatasetError
from training.data.align import find_value
from training.data.importing.records import Record


def choose_values(
    records: Sequence[Record], values: Mapping[str, str], only: Mapping[str, re.Pattern[str]]
) -> list[Record]:
    """Records whose labels are chosen.

    Args:
        values: field to the field that its values are taken from, which is then left out. Where only the first has a
            value, the field is not annotated; where the value stands inside the first one's spans, they end with it.
        only: field to the form of its values. A document with another value is not annotated for this field.

    Raises:
        DatasetError: the source has no such field.
    """
    known = {name for record in records for name in (*record.values, *record.spans)}
    for option, names in (("--values", (*values, *values.values())), ("--only", tuple(only))):
        missing = next((name for name in names if name not in known), None)
        if missing is not None:
            raise DatasetError(f"{option}: the source has no field {missing!r}; it has {', '.join(sorted(known))}")
    return [_of_form(_taken(record, values), only) for record in records]


def _taken(record: Record, values: Mapping[str, str]) -> Record:
    labels, spans = dict(record.values), dict(record.spans)
    for name, source in values.items():
        found = labels.pop(source, None)
        spans.pop(source, None)
        if not labels.get(name):
            continue
        if not found:
            labels.pop(name)
            spans.pop(name, None)
            continue
        labels[name] = found
        if name in spans:
            spans[name] = [inner for span in spans[name] for inner in _inside(record.text, span, found)]
    return replace(record, values=labels, spans=spans)


def _inside(text: str, span: Span, values: Sequence[str]) -> list[Span]:
    """Where the values stand in a span; the span itself where none is there as it is written."""
    start, end = span
    found = [
        (start + first, start + last)
        for value in values
        for places, how in [find_value(text[start:end], value, "text")]
        if how in ("exact", "folded")
        for first, last in places
    ]
    return found or [span]


def _of_form(record: Record, only: Mapping[str, re.Pattern[str]]) -> Record:
    other = {
        name
        for name, pattern in only.items()
        if any(not pattern.fullmatch(value) for value in record.values.get(name) or ())
    }
    if not other:
        return record
    return replace(
        record,
        values={name: found for name, found in record.values.items() if name not in other},
        spans={name: found for name, found in record.spans.items() if name not in other},
    )
