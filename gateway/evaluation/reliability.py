"""Whether stated probabilities come true: reliability bins, expected calibration error, Brier score and log loss."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.evaluation.bounds import clopper_pearson

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Answers of similar stated probability: mean probability, share right, and its exact 95 % interval."""

    confidence: float
    right: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Reliability:
    """How probabilities came true. ``error`` is the expected calibration error: Σ share of a bin · |stated − seen|."""

    name: str
    bins: tuple[Bin, ...]
    count: int
    error: float
    brier: float
    log_loss: float


def reliability(name: str, probabilities: Sequence[float], right: Sequence[bool], *, bins: int = BINS) -> Reliability:
    """Compare stated probabilities with what was right, in bins of equal count (equal width would leave most empty:
    good answers are stated with high probability).

    The error of equal-count bins is biased upwards in small samples (Naeini et al. 2015; Kumar et al. 2019): of two
    systems compare those of equal number of answers.

    Raises:
        ValueError: the sequences differ in length, or a probability lies outside [0, 1].
    """
    if len(probabilities) != len(right) or any(not 0.0 <= value <= 1.0 for value in probabilities):
        raise ValueError("one probability between 0 and 1 for each answer")
    count = len(right)
    pairs = sorted(zip(probabilities, right, strict=True), key=lambda pair: pair[0])
    found: list[Bin] = []
    used = min(bins, count)
    for number in range(used):
        part = pairs[number * count // used : (number + 1) * count // used]
        good = sum(was_right for _, was_right in part)
        low, high = (1.0 - side for side in reversed(clopper_pearson(len(part) - good, len(part))))
        found.append(Bin(sum(stated for stated, _ in part) / len(part), good / len(part), low, high, len(part)))
    error = sum(bin_.count * abs(bin_.confidence - bin_.right) for bin_ in found) / max(1, count)
    brier = sum((stated - was_right) ** 2 for stated, was_right in pairs) / max(1, count)
    loss = -sum(math.log(max(stated if was_right else 1.0 - stated, 1e-12)) for stated, was_right in pairs) / max(
        1, count
    )
    return Reliability(name, tuple(found), count, error, brier, loss)


def as_csv(found: Sequence[Reliability]) -> str:
    """One line a bin; the summary figures of its diagram stand on each."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["name", "confidence", "right", "low", "high", "count", "error", "brier", "log_loss", "answers"])
    for one in found:
        for bin_ in one.bins:
            numbers = (bin_.confidence, bin_.right, bin_.low, bin_.high)
            summary = (one.error, one.brier, one.log_loss)
            writer.writerow(
                [one.name, *(f"{n:.4f}" for n in numbers), bin_.count, *(f"{n:.4f}" for n in summary), one.count]
            )
    return stream.getvalue()
