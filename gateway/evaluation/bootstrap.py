"""Intervals by resampling whole groups of documents.

Errors cluster (all receipts of one merchant have one layout), so documents are not independent, but groups nearly
are: each resample draws as many groups as there are, with replacement, and takes all documents of those drawn (the
cluster bootstrap, Field & Welsh 2007). Intervals are percentiles. Two systems are compared on the same resamples, so
what makes a document hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
#: From sums, shape (resamples, …), to one figure a resample.
Statistic = Callable[[FloatArray], FloatArray]
# Groups drawn at once: bounds the memory of the draws to some tens of megabytes.
_DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Interval:
    """A percentile interval of a figure."""

    low: float
    high: float


def interval_json(interval: Interval | None) -> list[float] | None:
    """``[low, high]``."""
    return None if interval is None else [interval.low, interval.high]


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """``part / whole``, not a number where ``whole`` is 0."""
    quotient = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=quotient, where=np.asarray(whole) > 0)
    return quotient


def precision_of(counts: FloatArray) -> FloatArray:
    """Precision from (…, 3) true positives, false positives and false negatives."""
    return ratio(counts[..., 0], counts[..., 0] + counts[..., 1])


def recall_of(counts: FloatArray) -> FloatArray:
    """Recall from (…, 3) true positives, false positives and false negatives."""
    return ratio(counts[..., 0], counts[..., 0] + counts[..., 2])


def f1_of(counts: FloatArray) -> FloatArray:
    """F1 from (…, 3) true positives, false positives and false negatives."""
    return ratio(2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2])


class GroupBootstrap:
    """The same resamples of groups for every figure asked of it.

    Args:
        groups: the group of each document, in the documents' order.
        resamples: how many times groups are drawn.
        seed: the same seed draws the same groups.
        level: the share of resamples an interval covers.
    """

    def __init__(self, groups: Sequence[str], *, resamples: int = 2000, seed: int = 0, level: float = 0.95) -> None:
        self.resamples, self.seed, self.level = resamples, seed, level
        numbers: dict[str, int] = {}
        self._group = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.intp)
        self.groups = len(numbers)

    def sums(self, per_document: NDArray[Any]) -> FloatArray:
        """Sums over the documents of each resample: (documents, …) becomes (resamples, …)."""
        values = np.asarray(per_document, dtype=np.float64)
        if len(values) != len(self._group):
            raise ValueError(f"{len(values)} values for {len(self._group)} documents")
        by_group = np.zeros((self.groups, *values.shape[1:]))
        np.add.at(by_group, self._group, values)
        flat = by_group.reshape(self.groups, -1)
        # Drawn again from the seed each time: cheaper to redo than to keep for large data.
        generator = np.random.default_rng(self.seed)
        parts: list[FloatArray] = []
        drawn, at_once = 0, max(1, _DRAWS_AT_ONCE // max(self.groups, 1))
        while drawn < self.resamples:
            size = min(at_once, self.resamples - drawn)
            draws = generator.integers(self.groups, size=(size, self.groups))
            cells = (draws + self.groups * np.arange(size)[:, None]).ravel()
            times = np.bincount(cells, minlength=size * self.groups).reshape(size, self.groups)
            parts.append(times.astype(np.float64) @ flat)
            drawn += size
        return np.concatenate(parts).reshape(self.resamples, *values.shape[1:])

    def interval(self, per_document: NDArray[Any], statistic: Statistic) -> Interval | None:
        """The interval of ``statistic`` of the sums; ``None`` with fewer than two groups or where it is undefined."""
        return self.percentiles(statistic(self.sums(per_document)))

    def difference(self, left: NDArray[Any], right: NDArray[Any], statistic: Statistic) -> Interval | None:
        """The interval of ``statistic(left) − statistic(right)`` over the same resamples."""
        return self.percentiles(statistic(self.sums(left)) - statistic(self.sums(right)))

    def percentiles(self, figures: FloatArray) -> Interval | None:
        """The interval from one figure a resample; resamples where it is undefined (not a number) are left out."""
        if self.groups < 2:
            return None
        defined = figures[~np.isnan(figures)]
        if not defined.size:
            return None
        side = 100 * (1 - self.level) / 2
        low, high = np.percentile(defined, [side, 100 - side])
        return Interval(float(low), float(high))
