"""Has the traffic changed? A conformal test martingale over discrete scores, which needs no labels.

While documents come in no particular order (they are exchangeable, those of the reference first), the rank of each
new score among all before it, ties broken at random, is uniform and independent of the past. Bettors on these ranks
(:mod:`gateway.audit.evidence`) can then expect no gain, whatever the distribution of the scores: the test is exact for
any reference, however small. Scores must be fixed beforehand: nothing about them may be chosen on the reference or on
the traffic.

Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2nd ed. 2022, chapters 8 and 9; Volkhonskiy,
Burnaev, Nouretdinov, Gammerman & Vovk, Inductive conformal martingales for change-point detection, COPA 2017.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.audit.evidence import Array, Evidence

#: Exponents of the bettors: each stakes on small ranks by the density κ·p^(κ−1), and its mirror on large ones.
EXPONENTS = (0.25, 0.5, 0.75)
_KAPPA = np.array(EXPONENTS)
#: Ranks are kept off 0 and 1, where a density would be infinite.
_TINY = 1e-12


def log_rank_bets(rank: float) -> Array:
    """ln of each bettor's factor for a rank in [0, 1]; each density has the mean 1 over uniform ranks."""
    low = math.log(min(max(rank, _TINY), 1.0))
    high = math.log(min(max(1.0 - rank, _TINY), 1.0))
    log_kappa = np.log(_KAPPA)
    bets: Array = np.concatenate([log_kappa + (_KAPPA - 1.0) * low, log_kappa + (_KAPPA - 1.0) * high])
    return bets


@dataclass(frozen=True)
class Ranking:
    """One score's history: how often each value occurred, the reference included, and the evidence of a change."""

    counts: Mapping[int, int]
    evidence: Evidence

    @classmethod
    def start(cls, reference: Mapping[int, int]) -> Ranking:
        """Before any traffic; ``reference`` maps a score to how many documents of the reference have it."""
        return cls(dict(reference), Evidence.start(2 * len(EXPONENTS)))

    def step(self, score: int, uniform: float) -> Ranking:
        """After one more document; ``uniform`` is a fresh random number in [0, 1) that breaks ties."""
        above = sum(count for value, count in self.counts.items() if value > score)
        equal = self.counts.get(score, 0) + 1
        rank = (above + uniform * equal) / (sum(self.counts.values()) + 1)
        counts = {**self.counts, score: equal}
        return Ranking(counts, self.evidence.step(log_rank_bets(rank)))

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": {str(score): count for score, count in self.counts.items()},
            "evidence": self.evidence.as_json(),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Ranking:
        counts = {int(score): int(count) for score, count in raw["counts"].items()}
        return cls(counts, Evidence.from_json(raw["evidence"]))
