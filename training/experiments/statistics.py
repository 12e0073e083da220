"""Comparing variants by pairs: runs of the same seed share data order and random draws, so their differences scatter
less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

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
