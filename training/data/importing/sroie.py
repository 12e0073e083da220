"""SROIE's folders: receipts as text boxes, and their values in files of the same names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.data.importing.options import ImportOptions
from training.data.importing.reading import read_text
from training.data.importing.records import Record, Skipped, bad

#: What copies of the data call the folders, in lower case.
_BOXES = ("box", "boxes", "ocr", "task1", "0325updated.task1train(626p)")
_KEYS = ("key", "keys", "entities", "task2", "0325updated.task2train(626p)")
_IMAGES = ("img", "imgs", "images", "image")
_COORDINATES = 8


def read_sroie(source: Path, options: ImportOptions) -> Iterator[Record | Skipped]:
    """The receipts of a folder that holds ``box`` and ``key``.

    A box file has a line of text a line: eight coordinates (the corners, clockwise) and the text, parted by commas. A
    key file is a JSON object of field to value. Files belong together by name. The text is the lines as they stand;
    ``lines`` keeps each with its box as ``[left, top, right, bottom]``.

    Raises:
        DatasetError: a folder is missing, or a line is no box; the message names file and line.
    """
    if not source.is_dir():
        raise bad(source, "expected a folder with box/ and key/")
    folders = {path.name.lower(): path for path in sorted(source.iterdir()) if path.is_dir()}
    boxes, keys = _files(source, folders, _BOXES, "box"), _files(source, folders, _KEYS, "key")
    images = next((folders[name] for name in _IMAGES if name in folders), None)
    pictures = {path.stem: path for path in images.iterdir() if path.is_file()} if images else {}
    for stem in sorted({*boxes, *keys, *pictures}):
        place = boxes.get(stem) or keys.get(stem) or pictures[stem]
        if stem not in boxes:
            yield Skipped(str(place), "no-box", "there is no text of this receipt")
        elif stem not in keys:
            yield Skipped(str(place), "no-key", "there are no values of this receipt")
        else:
            yield _receipt(stem, boxes[stem], keys[stem], options)


def _files(source: Path, folders: dict[str, Path], names: tuple[str, ...], wanted: str) -> dict[str, Path]:
    folder = next((folders[name] for name in names if name in folders), None)
    if folder is None:
        raise bad(source, f"has no folder {wanted}/; there are: {', '.join(folders) or 'none'}")
    # Downloads carry copies such as "X00016469619(1).txt" beside the file they copy.
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".txt", ".csv", ".json")}
    return {
        stem: path
        for stem, path in files.items()
        if stem.partition("(")[0] == stem or stem.partition("(")[0] not in files
    }


def _receipt(stem: str, box: Path, key: Path, options: ImportOptions) -> Record | Skipped:
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(read_text(box, options.encoding).split("\n"), 1):
        if not line.strip():
            continue
        cells = line.split(",", _COORDINATES)
        try:
            points = [round(float(cell)) for cell in cells[:_COORDINATES]]
        except ValueError:
            points = []
        if len(cells) != _COORDINATES + 1 or len(points) != _COORDINATES:
            raise bad(box, f"expected eight coordinates and a text, found {line[:60]!r}", line=number)
        across, down = points[0::2], points[1::2]
        corners = [min(across), min(down), max(across), max(down)]
        lines.append({"text": cells[_COORDINATES].strip(), "box": corners})
    text = "\n".join(line["text"] for line in lines)
    if not text.strip():
        return Skipped(str(box), "no-text", "the receipt has no text")
    values = _values(key, options)
    return Record(str(box), text, stem, values, extra={"lines": lines})


def _values(key: Path, options: ImportOptions) -> dict[str, list[str] | None]:
    content = read_text(key, options.encoding)
    try:
        raw = json.loads(content)
    except ValueError as error:
        raise bad(key, f"not JSON ({error})") from error
    if not isinstance(raw, dict) or not all(isinstance(value, str) or value is None for value in raw.values()):
        raise bad(key, "expected a JSON object of field to text")
    return {str(name): [value.strip()] if value and value.strip() else None for name, value in raw.items()}
