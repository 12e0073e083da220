"""Right and wrong answers document by document, small enough for a cell of a table of runs."""

from __future__ import annotations

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

from gateway.errors import DatasetError

#: True positives, false positives and false negatives of each document: ``[documents, 3]``.
Counts = NDArray[np.int64]


def packed_counts(counts: Counts) -> str:
    """Counts as text: about a byte a document.

    Raises:
        DatasetError: a document has more than 255 of a kind.
    """
    if counts.size and counts.max() > 255:
        raise DatasetError("more than 255 answers of one document cannot be written down")
    # Kind by kind: most documents have no wrong answer, and equal bytes compress well.
    return base64.b64encode(zlib.compress(counts.T.astype(np.uint8).tobytes(), 9)).decode()


def unpacked_counts(text: str) -> Counts:
    """What :func:`packed_counts` wrote.

    Raises:
        DatasetError: it is not such a text.
    """
    try:
        raw = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), dtype=np.uint8)
        return raw.reshape(3, -1).T.astype(np.int64)
    except (ValueError, zlib.error) as error:
        raise DatasetError(f"a run's counts by document cannot be read ({error})") from error


def f1_of_counts(counts: Counts) -> float:
    """Micro F1 (0 to 100); 0 where nothing is expected and nothing answered."""
    right, wrong, missed = counts.sum(axis=0)
    whole = 2 * right + wrong + missed
    return 100.0 * 2 * float(right) / float(whole) if whole else 0.0
