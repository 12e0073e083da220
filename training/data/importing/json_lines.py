"""This project's own JSON Lines, read again to be checked, renamed or cut to some fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.errors import DatasetError
from gateway.evaluation.dataset import parse_document
from training.data.importing.options import ImportOptions
from training.data.importing.reading import json_line, read_text
from training.data.importing.records import Record, Skipped, bad


def read_json_lines(source: Path, options: ImportOptions) -> Iterator[Record | Skipped]:
    """The documents of a data file; whatever else a line has is kept.

    Raises:
        DatasetError: a line is no document; the message names it.
    """
    text = read_text(source, options.encoding)
    if not text.strip():
        raise bad(source, "the file is empty")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{source}:{number}"
        raw = json_line(source, number, line)
        try:
            document = parse_document(raw, where)
        except DatasetError as error:
            raise DatasetError(error.message, detail={"file": str(source), "line": number}) from error
        if not document.text.strip():
            yield Skipped(where, "no-text", "the text is empty")
            continue
        if not document.labels and not document.spans:
            yield Skipped(where, "no-labels", "it has neither labels nor spans")
            continue
        values: dict[str, list[str] | None] = {
            name: [label] if isinstance(label, str) else (None if label is None else list(label))
            for name, label in document.labels.items()
        }
        for name, spans in document.spans.items():
            if name not in values:
                values[name] = [document.text[start:end] for start, end in spans]
        identifier = document.id if "id" in raw else None
        yield Record(where, document.text, identifier, values, document.spans, extra=document.extra)
