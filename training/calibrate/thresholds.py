"""Accept thresholds with a guarantee: Learn-then-Test by fixed-sequence testing with exact binomial p-values.

For one field, chain and target, every threshold λ of a fixed grid gives a hypothesis "among the present answers
accepted at λ more than 1 − target are wrong". Given how many documents are accepted, the number of wrong ones is
binomial, so p(λ) = P(Bin(accepted, 1 − target) ≤ errors) is a valid p-value. The hypotheses are tested at level δ in
an order fixed beforehand: from the strictest threshold that would accept most *development* documents down to laxer,
cheaper ones, until the first is not rejected. The last one rejected is used. The chance that the threshold used breaks
the target is then at most δ, over the draw of the calibration documents (Angelopoulos et al. 2021, "Learn then Test",
proposition on fixed-sequence testing). It holds for documents drawn like the calibration documents, for each field,
chain and target by itself (no correction over the fields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.combine import Combiner, most_probable
from gateway.evaluation.bounds import binomial_tail, clopper_pearson_upper
from gateway.evaluation.metrics import expected_values
from gateway.policy import Chain, Threshold, chain_name
from gateway.task import TaskSpec
from training.calibrate.outputs import Observed

#: Thresholds tried, strictest first; fixed, so that no calibration document shapes it.
GRID = (0.995, 0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.92, 0.9, 0.88, 0.85, 0.82, 0.78, 0.74, 0.7, 0.65, 0.6, 0.55, 0.5,
        0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.0)  # fmt: skip

#: Share of development documents that the first threshold tested accepts at least.
START_SHARE = 0.6


@dataclass(frozen=True)
class Trial:
    """One document's best answer at every stage of a chain: its probability, and whether it is right. No answer:
    probability −1."""

    stages: tuple[tuple[float, bool], ...]

    def accepted(self, threshold: float) -> bool | None:
        """Whether the answer of the first stage that passes ``threshold`` is right; ``None`` when none passes."""
        for probability, right in self.stages:
            if probability >= threshold:
                return right
        return None


def trials(
    observed: Sequence[Observed],
    chain: Chain,
    combiners: Mapping[str, Mapping[str, Combiner]],
    task: TaskSpec,
    name: str,
) -> list[Trial]:
    """What the cascade would see of a field, stage by stage, in every document annotated for it."""
    kind = task.fields[name].type
    found: list[Trial] = []
    for item in observed:
        if expected_values(task, item.document, name) is None:
            continue
        stages: list[tuple[float, bool]] = []
        for length in range(1, len(chain) + 1):
            evidence = chain[:length]
            # A chain whose tiers found nothing in development has none; like the cascade, the scores then decide.
            combiner = combiners.get(chain_name(evidence), {}).get(name)
            answers = {tier: item.answers(tier, task, name) for tier in evidence}
            best, probability = most_probable(answers, combiner, kind, options=task.options)
            stages.append((probability, best is not None and item.judge(best, task, name) is True))
        found.append(Trial(tuple(stages)))
    return found


def count(found: Sequence[Trial], threshold: float) -> tuple[int, int]:
    """How many trials are accepted at ``threshold``, and how many of those are wrong."""
    judged = [right for trial in found if (right := trial.accepted(threshold)) is not None]
    return len(judged), judged.count(False)


def _start(development: Sequence[Trial]) -> int:
    """The grid index of the strictest threshold that accepts START_SHARE of the development trials, else the laxest.

    A stricter one would accept too few documents to certify anything; the test would end before it began.
    """
    for index, threshold in enumerate(GRID):
        accepted, _ = count(development, threshold)
        if accepted >= START_SHARE * len(development):
            return index
    return len(GRID) - 1


def labels_needed(error_rate: float, accepted_share: float, risk: float, delta: float) -> int | None:
    """Labelled documents that would certify ``risk`` if errors keep their rate; ``None`` when they are too frequent
    for any number.
    """
    if error_rate >= risk or accepted_share <= 0:
        return None
    low, high = 1, 1
    while binomial_tail(int(error_rate * high), high, risk) > delta:
        low, high = high, high * 2
        if high > 1_000_000:
            return None
    while low < high:
        middle = (low + high) // 2
        if binomial_tail(int(error_rate * middle), middle, risk) > delta:
            low = middle + 1
        else:
            high = middle
    return round(high / accepted_share)


def choose(development: Sequence[Trial], calibration: Sequence[Trial], target: float, delta: float) -> Threshold:
    """The laxest certified threshold for ``target``, or an uncertified one that only steers escalation."""
    risk = 1.0 - target
    documents = len(calibration)
    certified: float | None = None
    if development and calibration:
        for threshold in GRID[_start(development) :]:
            accepted, errors = count(calibration, threshold)
            if not accepted or binomial_tail(errors, accepted, risk) > delta:
                break
            certified = threshold
    if certified is not None:
        accepted, errors = count(calibration, certified)
        return Threshold(certified, True, accepted, errors, documents, clopper_pearson_upper(errors, accepted, delta))
    steering = _steering(calibration, risk)
    accepted, errors = count(calibration, steering)
    needed = labels_needed(errors / accepted, accepted / documents, risk, delta) if accepted else None
    bound = clopper_pearson_upper(errors, accepted, delta) if accepted else 1.0
    return Threshold(steering, False, accepted, errors, documents, bound, needed)


def _steering(calibration: Sequence[Trial], risk: float) -> float:
    """The laxest threshold with at most ``risk`` errors among accepted, else the one with the fewest."""
    best, fewest = GRID[0], 2.0
    for threshold in GRID:
        accepted, errors = count(calibration, threshold)
        rate = max(errors / accepted, risk) if accepted else 1.0
        if rate <= fewest:
            best, fewest = threshold, rate
    return best
