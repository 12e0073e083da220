"""Texts with offsets of their values: Presidio's JSON, doccano's JSON Lines, and others of that kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.data.importing.options import ImportOptions
from training.data.importing.reading import read_records
from training.data.importing.records import Entity, Record, Skipped, bad, from_entities

#: The names that formats have for one thing.
TEXT_KEYS = ("full_text", "text", "content", "document")
SPANS_KEYS = ("spans", "entities", "label", "labels", "ents", "annotations")
START_KEYS = ("start_position", "start_offset", "start", "begin")
END_KEYS = ("end_position", "end_offset", "end", "stop")
TYPE_KEYS = ("entity_type", "label", "type", "entity", "tag")
VALUE_KEYS = ("entity_value", "value", "text", "word")
ID_KEYS = ("id", "document_id", "doc_id", "_id")


class Malformed(ValueError):
    """A record does not have the form it should have."""


class Mismatch(ValueError):
    """A span does not hold the text that the record says it holds."""


def first_of(raw: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """What stands under the first of ``keys`` that is there; ``None`` where none is."""
    return next((raw[key] for key in keys if key in raw), None)


def identifier_of(raw: Mapping[str, Any]) -> str | None:
    """A record's own id, a string or a number."""
    found = first_of(raw, ID_KEYS)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def entities_of(raw: Any, text: str) -> list[Entity]:
    """The entities that a list of ``[start, end, label]`` or of objects names.

    Raises:
        Malformed: an entry is neither.
        Mismatch: it says what it holds, and holds something else.
    """
    if not isinstance(raw, list):
        raise Malformed(f"expected a list of spans, found {type(raw).__name__}")
    found: list[Entity] = []
    for number, item in enumerate(raw, 1):
        value: Any = None
        if isinstance(item, list | tuple) and len(item) >= 3:
            start, end, label = item[:3]
        elif isinstance(item, dict):
            start, end = first_of(item, START_KEYS), first_of(item, END_KEYS)
            label, value = first_of(item, TYPE_KEYS), first_of(item, VALUE_KEYS)
        else:
            raise Malformed(f"span {number} is neither [start, end, label] nor an object")
        if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
            raise Malformed(f"span {number} has no whole numbers for start and end, or no label: {item!r:.100}")
        if isinstance(value, str) and value != text[start:end]:
            raise Mismatch(f"{label} at {start} to {end} should hold {value[:60]!r}, found {text[start:end][:60]!r}")
        found.append(Entity(label, start, end))
    return found


def read_offsets(source: Path, options: ImportOptions) -> Iterator[Record | Skipped]:
    """The documents of a JSON or JSON Lines file whose records have a text and a list of spans.

    Presidio calls them ``full_text`` and ``spans`` (``entity_type``, ``entity_value``, ``start_position``,
    ``end_position``), doccano ``text`` and ``label`` (``[start, end, label]``); the other names known are listed in
    this module. Offsets count code points, the end exclusive.

    Raises:
        DatasetError: a record has another form; the message names it.
    """
    for where, raw in read_records(source, options.encoding):
        text = first_of(raw, TEXT_KEYS) if isinstance(raw, dict) else None
        if not isinstance(text, str):
            raise bad(Path(where), f"expected an object with a text ({', '.join(TEXT_KEYS)})")
        spans = next((raw[key] for key in SPANS_KEYS if isinstance(raw.get(key), list)), None)
        if spans is None:
            yield Skipped(where, "no-labels", f"it has no list of spans ({', '.join(SPANS_KEYS)})")
            continue
        try:
            entities = entities_of(spans, text)
        except Mismatch as error:
            yield Skipped(where, "bad-span", str(error))
        except Malformed as error:
            raise bad(Path(where), str(error)) from error
        else:
            yield from_entities(where, text, entities, identifier=identifier_of(raw))
