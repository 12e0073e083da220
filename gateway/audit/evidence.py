"""Evidence against a hypothesis that may be looked at any time: mixtures of bets that begin anew at every step.

Somebody bets, at odds fair under the hypothesis, that it is false. One bet multiplies the capital by a factor whose
mean under the hypothesis is at most 1, whatever went before; large capital is therefore evidence against it. Several
bettors (an axis of the arrays below) bet differently, and their mean is what counts. To notice a change that comes
late, a fresh bettor of each kind begins at every step ``j``; two ways to add them up:

* **for ever**: the one of step ``j`` gets the share ``w(j)`` of the starting capital, and all shares sum to 1. The sum
  M(n) = L(n)·(M(n−1) + w(n)), with the shares not yet staked, is a supermartingale from 1, so that under the
  hypothesis P(M(n) ≥ 1/α for any n) ≤ α (Ville's inequality).
* **average run length**: each begins with 1 (Shiryaev and Roberts). R(n) = L(n)·(R(n−1) + 1) is an e-detector: R(n) − n
  is a supermartingale, so that under the hypothesis it takes at least ``c`` steps on average until R ≥ c, and
  P(R(i) ≥ c for some i ≤ n) ≤ n/c.

Sources: Waudby-Smith & Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024; Shin, Ramdas
& Rinaldo, E-detectors: a nonparametric framework for sequential change detection, NEJSDS 2, 2024; Shekhar & Ramdas,
Nonparametric two-sample testing by betting, IEEE Trans. Inf. Theory 70, 2024.

All capitals are kept as natural logarithms: neither a long good history nor a disaster leaves the range of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_entry_share(step: int) -> float:
    """ln w(step) for step 1, 2, …: half of the capital begins at once, the rest is spread as 1 / (2·step·(step + 1)).

    The shares of all steps sum to 1. A change at step ``j`` costs about 2·ln j of evidence.
    """
    spread = 0.5 / (step * (step + 1.0))
    return math.log(0.5 + spread) if step == 1 else math.log(spread)


def advance(log_capital: Array, log_factors: Array, log_entry: float | Array) -> Array:
    """One step: L·(M + entry), in logarithms. Shapes ``(…, bettors)``; also for many runs at once."""
    following: Array = log_factors + np.logaddexp(log_capital, log_entry)
    return following


def log_mean(log_capital: Array) -> Array:
    """ln of the bettors' mean capital, over the last axis."""
    highest = np.max(log_capital, axis=-1, keepdims=True)
    safe = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        total: Array = np.log(np.mean(np.exp(log_capital - safe), axis=-1)) + safe[..., 0]
    return total


@dataclass(frozen=True)
class Evidence:
    """One stream's evidence after ``steps`` steps: each bettor's log capital in both sums. Immutable; can be stored."""

    steps: int
    for_ever: tuple[float, ...]
    run_length: tuple[float, ...]

    @classmethod
    def start(cls, bettors: int) -> Evidence:
        """Before the first step."""
        nothing = (-math.inf,) * bettors
        return cls(0, nothing, nothing)

    def step(self, log_factors: Sequence[float] | Array) -> Evidence:
        """After one more step in which each bettor's capital grew by its factor.

        Raises:
            ValueError: another number of bettors.
        """
        factors = np.asarray(log_factors, dtype=np.float64)
        if factors.shape != (len(self.for_ever),):
            raise ValueError(f"{len(self.for_ever)} bettors, {factors.shape} factors")
        steps = self.steps + 1
        return Evidence(
            steps,
            tuple(advance(np.array(self.for_ever), factors, log_entry_share(steps)).tolist()),
            tuple(advance(np.array(self.run_length), factors, 0.0).tolist()),
        )

    @property
    def log_for_ever(self) -> float:
        """ln M: against ln(1/α)."""
        return float(log_mean(np.array(self.for_ever)))

    @property
    def log_run_length(self) -> float:
        """ln R: against ln of the average run length."""
        return float(log_mean(np.array(self.run_length)))

    def as_json(self) -> dict[str, Any]:
        """For the store; ``None`` stands for a capital of nothing."""
        return {
            "steps": self.steps,
            "for_ever": [value if math.isfinite(value) else None for value in self.for_ever],
            "run_length": [value if math.isfinite(value) else None for value in self.run_length],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Evidence:
        def read(values: Sequence[float | None]) -> tuple[float, ...]:
            return tuple(-math.inf if value is None else float(value) for value in values)

        return cls(int(raw["steps"]), read(raw["for_ever"]), read(raw["run_length"]))


@dataclass(frozen=True)
class Alarm:
    """When evidence is enough.

    Attributes:
        alpha: chance of ever raising a false alarm in one stream by the sum "for ever"; 0: not used.
        run_length: steps until a false alarm of the other sum, on average at least; 0: not used.
    """

    alpha: float
    run_length: float = 0.0

    def split(self, streams: int) -> Alarm:
        """The alarm for each of several streams, so that the figures hold for all of them together."""
        return Alarm(self.alpha / max(1, streams), self.run_length * max(1, streams))

    def raised(self, evidence: Evidence) -> bool:
        """Whether either sum has reached its limit."""
        sure = self.alpha > 0 and evidence.log_for_ever >= -math.log(self.alpha)
        return sure or (self.run_length > 0 and evidence.log_run_length >= math.log(self.run_length))
