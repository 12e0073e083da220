"""Documents from text files, JSON Lines and standard input, one at a time; what cannot be read is an item too."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gateway.document import Document
from gateway.errors import CascadeError, EmptyText, InputError, InvalidJson, InvalidRequest
from gateway.evaluation.dataset import parse_document
from gateway.evaluation.systems import as_document

STDIN = "-"
JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Item:
    """One document, or why there is none. ``id`` names it either way."""

    id: str
    document: Document | None = None
    error: CascadeError | None = None


def is_json_lines(name: str) -> bool:
    """Whether a file's name says that it holds JSON Lines."""
    return name.lower().endswith(JSON_LINES)


def read_items(names: Sequence[str], *, jsonl: bool = False) -> Iterator[Item]:
    """The documents of ``names`` in order; ``-`` is standard input.

    A file is one document, called by its name as given. A JSON Lines file (by its name, or all inputs with ``jsonl``)
    holds one a line, called by its ``id`` or else ``FILE:LINE``, and is read line by line.
    """
    for name in names:
        shown = "stdin" if name == STDIN else name
        try:
            if name == STDIN:
                yield from _read(sys.stdin.buffer, shown, jsonl)
            else:
                with Path(name).open("rb") as stream:
                    yield from _read(stream, shown, jsonl or is_json_lines(name))
        except OSError as error:
            yield Item(shown, error=InputError(f"{shown}: cannot be read ({error.strerror})"))


def _read(stream: BinaryIO, shown: str, jsonl: bool) -> Iterator[Item]:
    return _read_lines(stream, shown) if jsonl else iter([_read_text(stream, shown)])


def _read_text(stream: BinaryIO, shown: str) -> Item:
    content = stream.read()
    try:
        return Item(shown, Document(_checked(_decode(content, shown), shown), shown))
    except CascadeError as error:
        return Item(shown, error=error)


def _read_lines(lines: Iterable[bytes], shown: str) -> Iterator[Item]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_line(line, f"{shown}:{number}")


def _read_line(line: bytes, where: str) -> Item:
    identifier = where
    try:
        raw = _parse(_decode(line, where), where)
        if isinstance(raw, dict):
            if isinstance(raw.get("id"), str):
                identifier = raw["id"]
            # Labels play no part in extraction, so faults in them are no reason to refuse a document.
            raw = {key: value for key, value in raw.items() if key not in ("labels", "spans")}
        document = as_document(parse_document(raw, where))
        _checked(document.text, where)
        _checked(identifier, f"{where}: id", may_be_empty=True)
    except CascadeError as error:
        return Item(identifier if _is_unicode(identifier) else where, error=error)
    return Item(identifier, document)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{where}: not JSON ({error.msg} at column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # a number too long to read, or nesting too deep
        raise InvalidJson(f"{where}: JSON that cannot be read ({error})") from error


def _decode(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 ({error.reason} at byte {error.start})") from error


def _checked(text: str, where: str, *, may_be_empty: bool = False) -> str:
    if not may_be_empty and not text.strip():
        raise EmptyText(f"{where}: no text")
    if not _is_unicode(text):
        raise InvalidRequest(f"{where}: the text holds half of a surrogate pair, which is no character")
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
