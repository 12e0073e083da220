"""Counts by document in a cell."""

import numpy as np
import pytest

from gateway.errors import DatasetError
from training.experiments.counting import f1_of_counts, packed_counts, unpacked_counts


def test_what_was_written_is_read_and_it_is_small():
    counts = np.random.default_rng(0).binomial(4, 0.1, (1500, 3))
    text = packed_counts(counts)
    assert (unpacked_counts(text) == counts).all()
    assert len(text) < 1500
    assert "\n" not in text


def test_what_does_not_fit_or_is_something_else_is_refused():
    with pytest.raises(DatasetError, match="255"):
        packed_counts(np.array([[256, 0, 0]]))
    for text in ("???", "aGVsbG8="):
        with pytest.raises(DatasetError, match="cannot be read"):
            unpacked_counts(text)


def test_f1_is_that_of_all_documents_together():
    assert f1_of_counts(np.array([[3, 1, 0], [0, 0, 2]])) == pytest.approx(100 * 6 / 9)
    assert f1_of_counts(np.zeros((2, 3), dtype=np.int64)) == 0
