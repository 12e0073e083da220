"""Comparing variants by pairs: runs of the same seed share data order and random draws, and all are judged on the same
documents, so their differences scatter less.

Two intervals: over seeds, for the documents that were judged; and over seeds and documents, for others like them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from training.experiments.counting import Counts

#: Points of F1 (0 to 100) within which two variants count as equally good.
EQUAL_WITHIN = 0.3


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences and its interval; ``None`` where one pair leaves none."""

    mean: float
    low: float | None
    high: float | None
    pairs: int

    def within(self, limit: float = EQUAL_WITHIN) -> bool:
        """Whether the whole interval lies within ± ``limit``: shown to be equal, not merely not shown to differ."""
        return self.low is not None and self.high is not None and -limit <= self.low and self.high <= limit

    def lost_at_most(self, points: float) -> bool:
        """Whether the interval leaves no room for a loss of more than ``points``."""
        return self.low is not None and self.low >= -points

    @property
    def above(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low is not None and self.low > 0

    def as_json(self) -> dict[str, float | int | bool | None]:
        """Rounded figures."""
        return {
            "mean": round(self.mean, 4),
            "low": None if self.low is None else round(self.low, 4),
            "high": None if self.high is None else round(self.high, 4),
            "pairs": self.pairs,
        }

    def without_interval(self) -> Difference:
        """The mean alone: pairs were lost, so that an interval would speak of the easy ones."""
        return Difference(self.mean, None, None, self.pairs)


def crossed(
    values: Mapping[int, Counts], reference: Mapping[int, Counts], confidence: float = 0.95, *, share: float = 1.0
) -> Difference | None:
    """``values`` − ``share`` · ``reference``, the paired difference of micro F1 (0 to 100), with an interval over seeds
    *and* documents.

    F1 is linearised in the documents, which gives a table of differences [seeds, documents] whose mean is the
    difference. Seeds and documents are crossed random effects: the variance of the mean is (MS_seeds + MS_documents −
    MS_rest) / (seeds · documents), the degrees of freedom are Satterthwaite's. With one seed the interval covers
    documents alone. ``None`` where no seed is in both.

    Args:
        values, reference: seed to ``[documents, 3]`` counts, of the same documents.

    Sources: Searle, Casella & McCulloch 1992, "Variance Components", chapter 4; Owen 2007, "The Pigeonhole Bootstrap"
    (why documents and seeds must both vary).
    """
    seeds = sorted(values.keys() & reference.keys())
    if not seeds:
        return None
    table = np.stack([_linearised(values[seed]) - share * _linearised(reference[seed]) for seed in seeds])
    count, size = table.shape
    mean = float(table.mean())
    if size < 2:
        return Difference(mean, None, None, count)
    by_document = table.mean(axis=0) - mean
    documents = count * float(by_document @ by_document) / (size - 1)
    terms = [(documents, size - 1)]
    if count > 1:
        by_seed = table.mean(axis=1) - mean
        rest = table - mean - by_seed[:, None] - by_document
        residual = float((rest * rest).sum()) / ((count - 1) * (size - 1))
        over_seeds = size * float(by_seed @ by_seed) / (count - 1)
        # Never less than either alone: components of variance are not negative.
        if over_seeds > residual and documents > residual:
            terms = [(over_seeds, count - 1), (documents, size - 1), (-residual, (count - 1) * (size - 1))]
        else:
            terms = [(over_seeds, count - 1)] if over_seeds > documents else terms
    total = sum(part for part, _ in terms)
    if total <= 0:
        return Difference(mean, mean, mean, count)
    freedom = total**2 / sum(part**2 / degrees for part, degrees in terms)
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(total / (count * size))
    return Difference(mean, mean - reach, mean + reach, count)


def _linearised(counts: Counts) -> np.ndarray:
    """What each document adds to F1 (0 to 100) around the whole set's: their mean is F1."""
    right = 2.0 * counts[:, 0]
    whole = right + counts[:, 1] + counts[:, 2]
    if not whole.sum():
        return np.zeros(len(counts))
    f1 = right.sum() / whole.sum()
    return np.asarray(100.0 * (f1 + (right - f1 * whole) / whole.mean()))


def pooled(differences: Mapping[str, Mapping[int, float]], confidence: float = 0.95) -> dict[str, tuple[float, float]]:
    """Intervals over seeds for each variant's mean, from the scatter of all variants around their own means.

    For few seeds: it assumes that all variants scatter alike. Empty where no variant has two seeds.
    """
    squares = freedom = 0.0
    means = {}
    for name, found in differences.items():
        if found:
            means[name] = math.fsum(found.values()) / len(found)
            squares += math.fsum((value - means[name]) ** 2 for value in found.values())
            freedom += len(found) - 1
    if not freedom:
        return {}
    deviation = math.sqrt(squares / freedom) * float(stats.t.ppf((1 + confidence) / 2, freedom))
    return {
        name: (
            mean - deviation / math.sqrt(len(differences[name])),
            mean + deviation / math.sqrt(len(differences[name])),
        )
        for name, mean in means.items()
    }


def paired(values: Mapping[int, float], reference: Mapping[int, float], confidence: float = 0.95) -> Difference | None:
    """``values`` − ``reference`` over the seeds both have, with Student's t interval.

    It assumes that the differences of seeds are independent and roughly normal. ``None`` where no seed is in both.
    """
    seeds = sorted(values.keys() & reference.keys())
    if not seeds:
        return None
    differences = [values[seed] - reference[seed] for seed in seeds]
    mean = math.fsum(differences) / len(seeds)
    if len(seeds) < 2:
        return Difference(mean, None, None, len(seeds))
    variance = math.fsum((item - mean) ** 2 for item in differences) / (len(seeds) - 1)
    reach = float(stats.t.ppf((1 + confidence) / 2, len(seeds) - 1)) * math.sqrt(variance / len(seeds))
    return Difference(mean, mean - reach, mean + reach, len(seeds))
