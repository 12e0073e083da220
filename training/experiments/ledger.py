"""Results as rows of a CSV file: one row a run, written at once, and never half of one."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import DatasetError

#: What a row says; a column that means nothing for a run is empty.
COLUMNS = (
    "experiment",
    "task",
    "variant",
    "seed",
    "key",
    "context",
    "digest",
    "outcome",
    "f1",
    "span_f1",
    "loss",
    "training_loss",
    "updates",
    "undone",
    "tokens",
    "flops",
    "wall_seconds",
    "cpu_seconds",
    "scoring_cpu_seconds",
    "documents",
    "parameters",
    "table_parameters",
    "noise_scale",
    "suggested_batches",
    "step_ms",
    "step_times_faster",
    "saved_bytes_share",
    "packed_bytes_share",
    "latency_ms",
    "latency_times_faster",
    "served_f1",
    "curve",
    "counts",
    "note",
    "settings",
    "cpu",
    "cores",
    "threads",
    "load",
    "versions",
    "command",
    "finished",
)
#: Columns that hold numbers.
NUMBERS = frozenset(COLUMNS[COLUMNS.index("f1") : COLUMNS.index("curve")])
Row = dict[str, str]


def key_of(experiment: str, task: str, variant: str, seed: int, settings: Mapping[str, Any]) -> str:
    """What names a run: a digest of everything that shapes its result."""
    raw = json.dumps([experiment, task, variant, seed, settings], sort_keys=True, default=str)
    return hashlib.sha256(raw.encode()).hexdigest()[:16]


def number(row: Mapping[str, str], column: str) -> float | None:
    """A column's number, ``None`` where it is empty."""
    text = row.get(column, "")
    return float(text) if text else None


def read_rows(path: Path) -> list[Row]:
    """The complete rows of a ledger; none where there is no file. A last line that was cut off is left out.

    Raises:
        DatasetError: the file has other columns.
    """
    if not path.is_file():
        return []
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    if whole and tuple(reader.fieldnames or ()) != COLUMNS:
        raise DatasetError(f"{path}: its columns are not those of a ledger of runs; give --out another file")
    return list(reader)


def append_row(path: Path, values: Mapping[str, Any]) -> None:
    """Add one row, in one write, under a lock; what an interrupted write left behind is cut off first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        end = _end_of_whole_lines(handle)
        os.ftruncate(handle, end)
        line = _line([_text(values.get(column)) for column in COLUMNS])
        os.pwrite(handle, (("" if end else _line(COLUMNS)) + line).encode(), end)
        os.fsync(handle)
    finally:
        os.close(handle)


def _end_of_whole_lines(handle: int) -> int:
    size = os.fstat(handle).st_size
    content = os.pread(handle, size, 0)
    return content.rfind(b"\n") + 1


def _line(values: Sequence[str]) -> str:
    # One row is one line, whatever its texts hold.
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow([value.replace("\n", " ") for value in values])
    return stream.getvalue()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, sort_keys=True)
    return str(value)


@contextmanager
def claim(directory: Path, key: str) -> Iterator[bool]:
    """Claim a run, so that two processes share the work: whether this one has it.

    The claim is a lock on a file and ends with the process that holds it, however that ends.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{key}.claim").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
