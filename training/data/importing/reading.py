"""Reading the files of a source: their character encoding, and JSON with the place of what is wrong."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.errors import DatasetEncodingError, DatasetError
from training.data.importing.records import bad

#: Byte order marks, the longest first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, encoding: str | None = None) -> str:
    """A file's text with line feeds for line breaks and without a byte order mark.

    Args:
        path: the file.
        encoding: what it is written in; UTF-8 where none is named. Nothing is guessed: a wrong guess would change
            values without a word.

    Raises:
        DatasetEncodingError: it is not in this encoding; the message says which one to try.
        DatasetError: it cannot be read, or there is no such encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise bad(path, f"cannot be read ({error.strerror})") from error
    if encoding is None or codec_name(encoding) == "utf-8":
        text = _utf8(path, content)
    else:
        try:
            text = content.decode(encoding)
        except UnicodeError as error:
            line = content[: getattr(error, "start", 0)].count(b"\n") + 1
            raise _wrong(path, line, f"not {encoding} ({error})") from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def codec_name(encoding: str) -> str:
    """The usual name of an encoding.

    Raises:
        DatasetError: there is none of this name.
    """
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise DatasetError(f"no encoding is called {encoding!r}; try utf-8, utf-16 or windows-1252") from error


def _utf8(path: Path, content: bytes) -> str:
    for mark, name in _MARKS:
        if content.startswith(mark):
            raise _wrong(path, 1, f"written in {name.upper()}: pass --encoding {name}, or save it as UTF-8")
    # Every other byte of Latin text in UTF-16 is zero.
    if b"\0" in content[:4096]:
        order = "le" if content[1:2] == b"\0" else "be"
        raise _wrong(path, 1, f"holds zero bytes, as UTF-16 without its mark does: try --encoding utf-16-{order}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        around = content[max(0, error.start - 15) : error.start + 15]
        raise _wrong(
            path,
            line,
            f"not UTF-8: byte {content[error.start]:#x} in {around!r}. Files of older programs are often in"
            f" Windows-1252, which would read {around.decode('windows-1252', 'replace')!r}: pass --encoding"
            " windows-1252 where that is right, or save the file as UTF-8",
        ) from error


def _wrong(path: Path, line: int, message: str) -> DatasetEncodingError:
    return DatasetEncodingError(f"{path}:{line}: {message}", detail={"file": str(path), "line": line})


def read_json(path: Path, encoding: str | None = None) -> Any:
    """A JSON file's value.

    Raises:
        DatasetError: it is none, or empty; the message names line and column.
    """
    text = read_text(path, encoding)
    if not text.strip():
        raise bad(path, "the file is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise bad(path, f"not JSON ({error.msg} at column {error.colno})", line=error.lineno) from error
    except (ValueError, RecursionError) as error:  # a number too long to read, or nesting too deep
        raise bad(path, f"JSON that cannot be read ({error})") from error


def read_records(path: Path, encoding: str | None = None) -> Iterator[tuple[str, Any]]:
    """The records of a JSON array or of JSON Lines, each with its place; an object with one list in it is that list.

    Raises:
        DatasetError: as :func:`read_json`.
    """
    text = read_text(path, encoding)
    if not text.strip():
        raise bad(path, "the file is empty")
    if is_json_lines(text):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{path}:{number}", json_line(path, number, line)
        return
    value = read_json(path, encoding)
    if isinstance(value, dict):
        for key in ("annotations", "data", "documents", "examples"):
            if isinstance(value.get(key), list):
                value = value[key]
                break
        else:
            value = [value]
    if not isinstance(value, list):
        raise bad(path, f"expected a list of documents, found {type(value).__name__}")
    for number, item in enumerate(value, 1):
        yield f"{path}, record {number}", item


def is_json_lines(text: str) -> bool:
    """Whether a text is JSON Lines rather than one JSON value: its first line is an object or a list by itself, and
    more lines follow."""
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip():
        return False
    try:
        return isinstance(json.loads(first), dict | list)
    except (ValueError, RecursionError):
        # The first line of a value on several lines is no value; of a broken line of JSON Lines it is one's beginning.
        return first.startswith("{") and first.rstrip() != "{" and rest.lstrip().startswith("{")


def json_line(path: Path, number: int, line: str) -> Any:
    """One line of JSON Lines.

    Raises:
        DatasetError: it is no JSON; the message names the line and column.
    """
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise bad(path, f"not JSON ({error.msg} at column {error.colno})", line=number) from error
    except (ValueError, RecursionError) as error:
        raise bad(path, f"JSON that cannot be read ({error})", line=number) from error
