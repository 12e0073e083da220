"""What a reader of a format gives for each document: a record, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gateway.document import Span
from gateway.errors import DatasetError

#: Why a document of the source is left out: a code that stays, and what it means. ``docs/data.md`` lists them.
SKIP_REASONS: Mapping[str, str] = {
    "no-text": "The document has no text, or only white space.",
    "no-labels": "Nobody has annotated the document, or its annotation was cancelled or rejected.",
    "no-key": "A receipt has text but no file of values.",
    "no-box": "A receipt has values or an image but no file of text.",
    "bad-span": "A span lies outside the text, is empty, or does not hold the text that the source says it holds.",
    "bad-tokens": "Tokens do not stand in the document's own text in this order.",
}


class Entity(NamedTuple):
    """A stretch of the text that is a value of a field."""

    field: str
    start: int
    end: int


@dataclass(frozen=True)
class Record:
    """One document of the source.

    ``where`` names its place (file and line, or file and number of the record). ``values`` maps a field, as the source
    calls it, to its values; ``None`` says that it is absent. ``spans`` are character offsets where the source has them.
    ``exhaustive``: what is not annotated is absent, as in annotations of whole texts.
    """

    where: str
    text: str
    id: str | None = None
    values: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    spans: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    exhaustive: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A document that was left out: its place, a code of :data:`SKIP_REASONS`, and what was found there."""

    where: str
    code: str
    message: str


def bad(path: Path, message: str, line: int = 0, record: int = 0) -> DatasetError:
    """The error of a source that cannot be read on: it names file and line, or file and number of the record."""
    place = f"{path}:{line}" if line else f"{path}, record {record}" if record else str(path)
    return DatasetError(f"{place}: {message}", detail={"file": str(path), "line": line, "record": record})


def from_entities(
    where: str,
    text: str,
    entities: Iterable[Entity],
    *,
    identifier: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Record | Skipped:
    """The record of a text with annotated stretches, which are taken to be all there are.

    White space at the ends of a stretch is left out (and noted); the same stretch counts once a field.
    """
    if not text.strip():
        return Skipped(where, "no-text", "the text is empty")
    spans: dict[str, list[Span]] = {}
    notes: list[str] = []
    for name, start, end in entities:
        if not 0 <= start < end <= len(text):
            return Skipped(where, "bad-span", f"{name} at {start} to {end}; the text has {len(text)} characters")
        inner = text[start:end]
        if not inner.strip():
            return Skipped(where, "bad-span", f"{name} at {start} to {end} holds only white space")
        span = start + len(inner) - len(inner.lstrip()), start + len(inner.rstrip())
        if span != (start, end):
            notes.append("spans without the white space at their ends")
        if span not in spans.setdefault(name, []):
            spans[name].append(span)
    ordered = {name: sorted(found) for name, found in spans.items()}
    values = {name: [text[start:end] for start, end in found] for name, found in ordered.items()}
    return Record(where, text, identifier, values, ordered, True, extra or {}, tuple(dict.fromkeys(notes)))
