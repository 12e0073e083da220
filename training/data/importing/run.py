"""One import: read a source, bring its documents into the project's form, write them, and say what became of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import DatasetError, InvalidRequest
from gateway.evaluation.dataset import parse_document
from gateway.files import replacing
from training.data.importing.choosing import choose_values
from training.data.importing.formats import FORMATS
from training.data.importing.naming import name_fields
from training.data.importing.options import ImportOptions
from training.data.importing.records import SKIP_REASONS, Record, Skipped

#: A report for people shows this many of the documents that were left out for one reason; JSON has all.
_MOST_SHOWN = 5


@dataclass
class FieldReport:
    """A field: how many documents have it, how many say that it is absent, how many values there are in all."""

    source: str
    many: bool = False
    documents: int = 0
    absent: int = 0
    values: int = 0
    spans: int = 0


@dataclass
class ImportReport:
    """What an import did: documents written, fields found, documents left out with reasons, and notes."""

    format: str
    source: str
    out: str
    documents: int = 0
    fields: dict[str, FieldReport] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "source": self.source,
            "out": self.out,
            "documents": self.documents,
            "fields": {name: vars(report) for name, report in self.fields.items()},
            "skipped": [vars(item) for item in self.skipped],
            "notes": dict(self.notes),
        }

    def render(self) -> str:
        """The report for people."""
        lines = [f"{self.out}: {self.documents} documents from {self.source}"]
        for name, report in self.fields.items():
            called = "" if report.source == name else f" (in the source: {report.source})"
            many = ", several in a document" if report.many else ""
            lines.append(
                f"  {name}: in {report.documents} documents, absent in {report.absent}, {report.values} values,"
                f" {report.spans} with a place{many}{called}"
            )
        lines += [f"  {note}: {count} documents" for note, count in self.notes.items()]
        for code, count in Counter(item.code for item in self.skipped).items():
            lines.append(f"  left out, {code}: {count} documents. {SKIP_REASONS[code]}")
            shown = [item for item in self.skipped if item.code == code]
            lines += [f"    {item.where}: {item.message}" for item in shown[:_MOST_SHOWN]]
            if len(shown) > _MOST_SHOWN:
                lines.append(f"    and {len(shown) - _MOST_SHOWN} more")
        return "\n".join(lines)


def import_data(name: str, source: Path, out: Path, options: ImportOptions | None = None) -> ImportReport:
    """Read ``source`` as the format ``name`` and write JSON Lines to ``out``, all of it or nothing.

    Args:
        name: one of :data:`FORMATS`.
        source: a file, or a folder where the format is one of folders.
        out: the file to write; it is replaced when all is well.
        options: what the source does not say itself.

    Returns:
        The report; every document of the source is in ``out`` or among its ``skipped``.

    Raises:
        DatasetError: the source cannot be read, an id stands twice, or no document is left; nothing is written.
        InvalidRequest: there is no such format.
    """
    options = options or ImportOptions()
    if name not in FORMATS:
        raise InvalidRequest(f"no format {name!r}; there are: {', '.join(FORMATS)}")
    if not source.exists():
        raise DatasetError(f"no such file or folder: {source}")
    if source.is_dir() and name != "sroie":
        raise DatasetError(f"{source} is a folder; the format {name} is read from a file")
    report = ImportReport(name, str(source), str(out))
    records: list[Record] = []
    for item in FORMATS[name].read(source, options):
        if isinstance(item, Skipped):
            report.skipped.append(item)
        else:
            records.append(item)
    if not records:
        reasons = Counter(item.code for item in report.skipped)
        found = ", ".join(f"{code} {count}" for code, count in reasons.items()) or "the source holds none"
        raise DatasetError(f"{source}: no document could be imported ({found})", detail=report.as_json())
    records = choose_values(records, options.values, options.only)
    names = name_fields((field for record in records for field in (*record.values, *record.spans)), options.rename)
    unknown = sorted(set(options.fields) - set(names.values()))
    if unknown:
        raise DatasetError(f"--fields: the source has no field {unknown[0]!r}; it has {', '.join(names.values())}")
    kept = {old: new for old, new in names.items() if not options.fields or new in options.fields}
    if not kept:
        raise DatasetError(f"{source}: not one of {len(records)} documents has a value of any field: is it annotated?")
    many = {
        old: any(len(record.values.get(old) or record.spans.get(old) or ()) > 1 for record in records) for old in kept
    }
    identifiers = _identifiers(records, source)
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        for record, identifier in zip(records, identifiers, strict=True):
            raw = _line(record, identifier, kept, many)
            # What is written must be readable: this also finds half surrogates.
            parse_document(raw, record.where)
            try:
                stream.write(json.dumps(raw, ensure_ascii=False) + "\n")
            except UnicodeEncodeError as error:
                raise DatasetError(
                    f"{record.where}: the text holds half of a surrogate pair, which is no character"
                ) from error
    report.documents = len(records)
    report.notes.update(note for record in records for note in record.notes)
    report.fields = {new: _count(records, old, many[old]) for old, new in kept.items()}
    return report


def _identifiers(records: Sequence[Record], source: Path) -> list[str]:
    stem = source.stem or source.name
    found = [record.id or f"{stem}/{number:0{len(str(len(records)))}}" for number, record in enumerate(records)]
    first: dict[str, int] = {}
    for number, identifier in enumerate(found):
        before = first.setdefault(identifier, number)
        if before != number:
            raise DatasetError(
                f"{records[number].where}: the id {identifier!r} stands at {records[before].where} already; ids must"
                " differ, so that parts of the data can be told apart"
            )
    return found


def _line(record: Record, identifier: str, names: Mapping[str, str], many: Mapping[str, bool]) -> dict[str, Any]:
    labels: dict[str, str | list[str] | None] = {}
    for old, new in names.items():
        values = record.values.get(old)
        if values is None and old not in record.values and not record.exhaustive:
            continue
        if values is None and old in record.values:
            labels[new] = None  # what null means is for the task to say
        elif many[old]:
            labels[new] = list(values or ())
        else:
            labels[new] = values[0] if values else None
    spans = {new: [list(span) for span in record.spans[old]] for old, new in names.items() if old in record.spans}
    line: dict[str, Any] = {"id": identifier, "text": record.text, "labels": labels}
    return {**line, **({"spans": spans} if spans else {}), **record.extra}


def _count(records: Iterable[Record], name: str, many: bool) -> FieldReport:
    report = FieldReport(name, many)
    for record in records:
        values = record.values.get(name)
        report.documents += bool(values)
        report.absent += not values and (name in record.values or record.exhaustive)
        report.values += len(values or ())
        report.spans += len(record.spans.get(name, ()))
    return report
