"""Reading a data file for checking: all bad lines become findings, not only the first."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument, parse_document
from training.data.check.codes import Findings

#: Of a file that is of another kind altogether, the first lines say enough.
_MOST_BAD_LINES = 1000


def read_leniently(path: Path, findings: Findings) -> list[LabelledDocument]:
    """The documents of a JSON Lines file that can be read; what cannot becomes a finding.

    Raises:
        DatasetError: there is no such file.
    """
    if not path.is_file():
        raise DatasetError(f"no such data file: {path}")
    documents: list[LabelledDocument] = []
    bad: list[str] = []
    twice: list[str] = []
    empty: list[str] = []
    seen: dict[str, int] = {}
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if len(bad) >= _MOST_BAD_LINES:
                bad.append(f"line {number} and on: not looked at")
                break
            if not line.strip():
                continue
            try:
                document = parse_document(json.loads(line.decode("utf-8")), f"line {number}")
            except UnicodeDecodeError as error:
                bad.append(f"line {number}: not UTF-8 ({error.reason} at byte {error.start})")
            except json.JSONDecodeError as error:
                bad.append(f"line {number}: not JSON ({error.msg} at column {error.colno})")
            except (ValueError, RecursionError) as error:
                bad.append(f"line {number}: JSON that cannot be read ({error})")
            except DatasetError as error:
                bad.append(error.message)
            else:
                before = seen.setdefault(document.id, number)
                if before != number:
                    twice.append(f"line {number}: {document.id!r} stands on line {before} already")
                    continue
                if not document.text.strip():
                    empty.append(f"line {number}: {document.id}")
                    continue
                documents.append(document)
    if bad:
        findings.add("D001", f"{len(bad)} lines are no documents", examples=bad)
    if twice:
        findings.add("D003", f"{len(twice)} ids stand twice", examples=twice)
    if empty:
        findings.add("D004", f"{len(empty)} documents have no text", examples=empty)
    if not documents:
        findings.add("D002", f"{path} holds no document that can be used")
    return documents
