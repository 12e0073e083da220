"""Tables: a column of texts, and a column of values a field."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from training.data.importing.options import ImportOptions
from training.data.importing.reading import read_text
from training.data.importing.records import Record, Skipped, bad

#: A text may be longer than the csv module's own limit of 131,072 characters.
_LONGEST_CELL = 16 * 1024 * 1024


def read_csv(source: Path, options: ImportOptions) -> Iterator[Record | Skipped]:
    """The rows of a CSV or TSV file whose first row names the columns.

    Every column but text and id is a field. Where values stand in the text is left to alignment.

    Raises:
        DatasetError: there is no column of texts, or a row has more or fewer cells than the first; the message names
            the line.
    """
    delimiter = options.delimiter or ("\t" if source.suffix.lower() == ".tsv" else ",")
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield from _rows(source, read_text(source, options.encoding), delimiter, options)
    finally:
        csv.field_size_limit(limit)


def _rows(source: Path, content: str, delimiter: str, options: ImportOptions) -> Iterator[Record | Skipped]:
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise bad(source, "the file is empty")
        header = [name.strip() for name in header]
        _check_header(source, header, delimiter, options)
        line = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                if len(row) != len(header):
                    raise bad(
                        source,
                        f"{len(row)} cells, and the first row has {len(header)}: text that holds {delimiter!r} or a"
                        " line break needs double quotes",
                        line=line,
                    )
                yield _record(f"{source}:{line}", dict(zip(header, row, strict=True)), options)
            line = reader.line_num + 1
    except csv.Error as error:
        raise bad(source, f"not CSV ({error})", line=reader.line_num) from error


def _check_header(source: Path, header: list[str], delimiter: str, options: ImportOptions) -> None:
    if options.text_column not in header:
        raise bad(
            source,
            f"no column {options.text_column!r}; there are {', '.join(map(repr, header))} (parted by {delimiter!r}):"
            " name it with --text-column, or what parts columns with --delimiter",
            line=1,
        )
    twice = {name for name in header if header.count(name) > 1}
    if twice or "" in header:
        raise bad(source, f"the column {min(twice)!r} stands twice" if twice else "a column has no name", line=1)


def _record(where: str, row: dict[str, str], options: ImportOptions) -> Record | Skipped:
    text = row.pop(options.text_column)
    identifier = row.pop(options.id_column, "").strip() or None
    if not text.strip():
        return Skipped(where, "no-text", "the text is empty")
    values: dict[str, list[str] | None] = {}
    for name, cell in row.items():
        parts = cell.split(options.separator) if options.separator else [cell]
        found = [part.strip() for part in parts if part.strip()]
        if found:
            values[name] = found
        elif options.empty == "absent":
            values[name] = None
    return Record(where, text, identifier, values)
