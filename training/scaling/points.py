"""Measured points of a scaling law: one run's size, training tokens and final loss each."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError, DatasetError
from training.scaling.law import TRAINING_FLOPS

#: The columns read, with the names they may have.
COLUMNS = {
    "parameters": ("parameters", "model size", "n"),
    "tokens": ("tokens", "training tokens", "d"),
    "flops": ("flops", "training flop", "c"),
    "loss": ("loss",),
}


@dataclass(frozen=True)
class Points:
    """Runs as arrays ``[n]``: parameters N, training tokens D, and final loss."""

    parameters: NDArray[np.float64]
    tokens: NDArray[np.float64]
    loss: NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.parameters, self.tokens, self.loss)}
        if len(shapes) != 1 or self.loss.ndim != 1:
            raise ConfigurationError(f"scaling points: three arrays of one length are needed, found shapes {shapes}")
        for name in ("parameters", "tokens", "loss"):
            values = getattr(self, name)
            if not (np.isfinite(values) & (values > 0)).all():
                raise ConfigurationError(f"scaling points: every value of {name} must be finite and above 0")

    def __len__(self) -> int:
        return len(self.loss)

    def take(self, rows: NDArray[np.integer]) -> Points:
        """The points at these indices, which may repeat."""
        return Points(self.parameters[rows], self.tokens[rows], self.loss[rows])

    def without_worst(self, count: int) -> Points:
        """All but the ``count`` points of largest loss, in their order.

        Raises:
            ConfigurationError: ``count`` is negative or leaves nothing.
        """
        if not 0 <= count < len(self):
            raise ConfigurationError(f"cannot drop {count} of {len(self)} points")
        order = np.argsort(self.loss, kind="stable")
        return self.take(np.sort(order[: len(self) - count]))


def read_points(path: Path) -> Points:
    """Points of a CSV file with a header.

    It needs a column ``loss``, a column ``parameters`` and one of ``tokens`` or ``flops`` (then D = C / 6N); see
    ``COLUMNS`` for other names they may have. Further columns are left alone.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or a line holds no positive number where one is due.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows, header = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: {error}") from error
    found = {
        wanted: next((name for name in header if name.strip().lower() in names), None)
        for wanted, names in COLUMNS.items()
    }
    amount = "tokens" if found["tokens"] else "flops"
    missing = [wanted for wanted in ("parameters", amount, "loss") if found[wanted] is None]
    if missing:
        raise DatasetError(f"{path}: no column {' or '.join(missing)}; there are: {', '.join(header)}")
    if not rows:
        raise DatasetError(f"{path}: has no points")

    def column(name: str) -> NDArray[np.float64]:
        key = str(found[name])
        return np.array([_number(row[key], path, line, key) for line, row in enumerate(rows, start=2)])

    parameters, quantity, loss = column("parameters"), column(amount), column("loss")
    tokens = quantity if amount == "tokens" else quantity / (TRAINING_FLOPS * parameters)
    return Points(parameters, tokens, loss)


def _number(text: str | None, path: Path, line: int, column: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise DatasetError(f"{path}, line {line}: {column} must be a number above 0, found {text!r}")
    return value
