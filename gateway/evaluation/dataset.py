"""Reading labelled and unlabelled documents from JSON Lines, with errors that name the line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import DatasetError

Label = str | list[str] | None


@dataclass(frozen=True)
class LabelledDocument:
    """One line of a data file.

    ``labels`` maps a field to its value, a list of values for a ``many`` field, or ``None``. A missing key
    means "not annotated". ``spans`` are character offsets into ``text``, end exclusive, where known.
    """

    id: str
    text: str
    labels: Mapping[str, Label] = field(default_factory=dict)
    spans: Mapping[str, list[tuple[int, int]]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text_digest(self) -> str:
        return text_digest(self.text)

    @property
    def context(self) -> str | None:
        """What is known of the text's surroundings; a list of strings is joined by spaces, and nothing is ``None``.

        Raises:
            DatasetError: it is neither.
        """
        context = self.extra.get("context")
        if isinstance(context, list) and all(isinstance(item, str) for item in context):
            context = " ".join(context)
        if context is not None and not isinstance(context, str):
            raise DatasetError(f'{self.id}: "context" must be a string')
        return context or None

    @property
    def input_digest(self) -> str:
        """Like :attr:`text_digest`, and another one where the context differs: what models may read of a document."""
        return self.text_digest if self.context is None else text_digest(f"{self.text}\0{self.context}")


def text_digest(text: str) -> str:
    """The first 16 hexadecimal digits of the text's SHA-256: how split.json recognises a document."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """A file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def files_digest(paths: Sequence[Path]) -> str:
    """A file's SHA-256; of several, the SHA-256 of theirs in order."""
    found = [file_digest(path) for path in paths]
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def parse_document(raw: object, where: str) -> LabelledDocument:
    """Check one decoded JSON value and make a document of it.

    Raises:
        DatasetError: ``raw`` is not an object with a string ``text``, or labels or spans are malformed.
    """
    if not isinstance(raw, dict):
        raise DatasetError(f"{where}: expected a JSON object, found {type(raw).__name__}")
    text = raw.get("text")
    if not isinstance(text, str):
        raise DatasetError(f'{where}: "text" must be a string')
    identifier = raw.get("id", where)
    if not isinstance(identifier, str):
        raise DatasetError(f'{where}: "id" must be a string')
    labels = raw.get("labels") or {}
    if not isinstance(labels, dict):
        raise DatasetError(f'{where}: "labels" must be an object')
    for name, value in labels.items():
        is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not (value is None or isinstance(value, str) or is_list):
            raise DatasetError(f'{where}: label "{name}" must be a string, a list of strings or null')
    spans = _parse_spans(raw.get("spans") or {}, len(text), where)
    extra = {key: value for key, value in raw.items() if key not in {"id", "text", "labels", "spans"}}
    return LabelledDocument(identifier, text, labels, spans, extra)


def _parse_spans(raw: object, length: int, where: str) -> dict[str, list[tuple[int, int]]]:
    if not isinstance(raw, dict):
        raise DatasetError(f'{where}: "spans" must be an object')
    parsed: dict[str, list[tuple[int, int]]] = {}
    for name, pairs in raw.items():
        if not isinstance(pairs, list):
            raise DatasetError(f'{where}: spans of "{name}" must be a list of [start, end]')
        for pair in pairs:
            well_formed = isinstance(pair, list) and len(pair) == 2 and all(type(edge) is int for edge in pair)
            if not well_formed or not 0 <= pair[0] < pair[1] <= length:
                raise DatasetError(f'{where}: span {pair!r} of "{name}" lies outside the text (0 to {length})')
        parsed[name] = [(pair[0], pair[1]) for pair in pairs]
    return parsed


def iterate_dataset(path: Path) -> Iterator[LabelledDocument]:
    """Documents of a JSON Lines file in order; blank lines are skipped.

    Raises:
        DatasetError: the file is missing or not UTF-8, a line is not JSON or not a document, or an id
            stands twice.
    """
    if not path.is_file():
        raise DatasetError(f"no such data file: {path}")
    seen: set[str] = set()
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{path}:{number}"
            try:
                decoded = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DatasetError(f"{where}: not UTF-8 ({error.reason} at byte {error.start})") from error
            if not decoded.strip():
                continue
            try:
                raw = json.loads(decoded)
            except json.JSONDecodeError as error:
                raise DatasetError(f"{where}: not JSON ({error.msg} at column {error.colno})") from error
            except (ValueError, RecursionError) as error:  # a number too long to read, or nesting too deep
                raise DatasetError(f"{where}: JSON that cannot be read ({error})") from error
            document = parse_document(raw, where)
            if document.id in seen:
                raise DatasetError(f'{where}: the id "{document.id}" stands twice')
            seen.add(document.id)
            yield document


def read_dataset(path: Path) -> list[LabelledDocument]:
    """All documents of a JSON Lines file.

    Raises:
        DatasetError: as :func:`iterate_dataset`, or the file holds no document.
    """
    documents = list(iterate_dataset(path))
    if not documents:
        raise DatasetError(f"{path}: no documents")
    return documents


def read_datasets(paths: Sequence[Path]) -> list[LabelledDocument]:
    """All documents of several JSON Lines files, in order.

    Raises:
        DatasetError: as :func:`read_dataset`, or an id stands in two of the files.
    """
    documents: dict[str, LabelledDocument] = {}
    for path in paths:
        for document in read_dataset(path):
            if document.id in documents:
                raise DatasetError(f'{path}: the id "{document.id}" stands in another file too')
            documents[document.id] = document
    return list(documents.values())
