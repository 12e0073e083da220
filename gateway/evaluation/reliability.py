"""Whether stated probabilities come true: reliability bins, expected calibration error, Brier score and log loss."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.combine import Answer, answers_of, most_probable
from gateway.document import TierName
from gateway.evaluation.bounds import clopper_pearson
from gateway.evaluation.metrics import expected_values, is_right
from gateway.evaluation.replay import Recorded
from gateway.policy import Chain, Policy
from gateway.task import TaskSpec

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


def before_and_after(task: TaskSpec, policy: Policy, items: Sequence[Recorded]) -> list[Reliability]:
    """How the probabilities of best values came true, in all annotated documents and all fields: for each tier its own
    score (``rules score``) and what the combiner makes of it (``rules combined``), and the combiner of all tiers."""
    tiers = tuple(tier for tier in task.tiers if items and tier in items[0].outputs)
    found: list[Reliability] = []
    for tier in tiers:
        found.append(_reliability(f"{tier} score", _stated(task, None, items, (tier,))))
        found.append(_reliability(f"{tier} combined", _stated(task, policy, items, (tier,))))
    if len(tiers) > 1:
        found.append(_reliability("all combined", _stated(task, policy, items, tiers)))
    return [one for one in found if one.count]


def _reliability(name: str, pairs: Iterator[tuple[float, bool]]) -> Reliability:
    stated = list(pairs)
    return reliability(name, [probability for probability, _ in stated], [right for _, right in stated])


def _stated(
    task: TaskSpec, policy: Policy | None, items: Sequence[Recorded], chain: Chain
) -> Iterator[tuple[float, bool]]:
    """Of every annotated document and field where there is one, the best value's probability and whether it is right;
    without a policy, by score."""
    for item in items:
        for name, field in task.fields.items():
            expected = expected_values(task, item.document, name)
            if expected is None:
                continue
            answers: dict[TierName, list[Answer]] = {
                tier: answers_of(item.outputs[tier].proposals.get(name), field.many) for tier in chain
            }
            combiner = policy.combiner(chain, name) if policy else None
            best, probability = most_probable(answers, combiner, field.type, options=task.options)
            if best is not None:
                right = is_right(task, name, expected, [candidate.value for candidate in best.candidates])
                yield min(max(probability, 0.0), 1.0), right


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
