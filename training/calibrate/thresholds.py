"""Accept thresholds with a guarantee: Learn-then-Test by fixed-sequence testing with exact binomial p-values.

For one field, chain and target, every threshold λ of a fixed grid gives a hypothesis "among the present answers
accepted at λ more than 1 − target are wrong". Given how many documents are accepted, the number of wrong ones is
binomial, so p(λ) = P(Bin(accepted, 1 − target) ≤ errors) is a valid p-value. The hypotheses are tested at level δ in
an order fixed beforehand on *fitting* documents: from the threshold whose test they promise the most power, down to
laxer, cheaper ones, until the first is not rejected. The last one rejected is used. The chance that the threshold used
breaks the target is then at most δ, over the draw of the calibration documents (Angelopoulos et al. 2021, "Learn then
Test", proposition on fixed-sequence testing). It holds for documents drawn like the calibration documents, for each
field, chain and target by itself (no correction over the fields).

"Absent" is an answer with a threshold of its own, which the fitting documents pair with each λ. Both kinds are tested,
each on its own accepted answers, and a pair passes when both tests do: the larger of two valid p-values is valid for
"one of the two is broken". Where the fitting documents do not promise that absence can be certified it is not tried;
where they do, a second sequence without absence stands by, and each of the two gets half of δ. Where they do not
promise that values can be certified, one more tests absence alone: values are then never accepted, and those at least
as probable as the fitting documents ask for are not passed on.

Once a threshold is served, :func:`path_to` gives the hypotheses that were tested on the way to it. The same way walked
with other p-values or at another level gives other certificates for the same threshold
(:mod:`training.calibrate.wider`).

All stages of a chain share λ. One threshold a stage was tried (``benchmarks/thresholds.py``): with probabilities that
are calibrated it saved nothing, and with few labels it cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from gateway.combine import Combiner, most_probable
from gateway.evaluation.bounds import binomial_tail, clopper_pearson_upper
from gateway.evaluation.metrics import expected_values
from gateway.policy import AbsentThreshold, Chain, Threshold, chain_name
from gateway.task import TaskSpec
from training.calibrate.outputs import Observed

#: Thresholds tried, strictest first; fixed, so that no calibration document shapes it. Even steps of log-odds.
GRID = (*(round(1 / (1 + math.exp(-step / 4)), 4) for step in range(28, -13, -1)), 0.0)
#: Errors added to those counted on fitting documents, so that few documents do not look better than they are.
PRIOR_ERRORS = 0.5
#: Share of documents whose shown answer may be wrong for want of another tier, where nothing is accepted.
SLACK = 0.01


@dataclass(frozen=True)
class Stage:
    """The most probable answer at one stage: its probability (−1: nothing known), whether right, whether a value."""

    probability: float
    right: bool
    present: bool = True


@dataclass(frozen=True)
class Trial:
    """One document's most probable answer at every stage of a chain."""

    stages: tuple[Stage, ...]

    def accepted(self, threshold: float, absent: float | None = None) -> Stage | None:
        """The first stage whose answer passes the threshold of its kind; ``None`` when none does."""
        for stage in self.stages:
            wanted = threshold if stage.present else absent
            if wanted is not None and stage.probability >= wanted:
                return stage
        return None


@dataclass(frozen=True)
class Counts:
    """Accepted answers and errors among them, by kind."""

    present: int
    present_errors: int
    absent: int = 0
    absent_errors: int = 0


def trials(
    observed: Sequence[Observed],
    chain: Chain,
    combiners: Mapping[str, Mapping[str, Combiner]],
    task: TaskSpec,
    name: str,
    absence: Mapping[str, Mapping[str, Combiner]] | None = None,
) -> list[Trial]:
    """What the cascade would see of a field, stage by stage, in every document annotated for it."""
    kind = task.fields[name].type
    found: list[Trial] = []
    for item in observed:
        expected = expected_values(task, item.document, name)
        if expected is None:
            continue
        stages: list[Stage] = []
        for length in range(1, len(chain) + 1):
            evidence = chain[:length]
            # A chain whose tiers found nothing in the fitting documents has none; like the cascade, the scores decide.
            combiner = combiners.get(chain_name(evidence), {}).get(name)
            answers = {tier: item.answers(tier, task, name) for tier in evidence}
            best, probability = most_probable(
                answers,
                combiner,
                kind,
                options=task.options,
                absence=(absence or {}).get(chain_name(evidence), {}).get(name),
            )
            if best is None or best.present:
                right = best is not None and item.judge(best, task, name) is True
                stages.append(Stage(probability, right))
            else:
                stages.append(Stage(probability, not expected, present=False))
        found.append(Trial(tuple(stages)))
    return found


#: A threshold for values, and one for "absent" where that may be accepted.
Pair = tuple[float, float | None]
#: Reached by no probability: "absent" is not accepted.
_NEVER = 2.0


class Table:
    """Trials as arrays of shape [documents, stages], to count quickly."""

    def __init__(self, found: Sequence[Trial]) -> None:
        longest = max((len(trial.stages) for trial in found), default=0)
        self.probability = np.full((len(found), longest), -1.0)
        self.present = np.ones((len(found), longest), dtype=bool)
        self.right = np.zeros((len(found), longest), dtype=bool)
        for row, trial in enumerate(found):
            for column, stage in enumerate(trial.stages):
                self.probability[row, column] = stage.probability
                self.present[row, column] = stage.present
                self.right[row, column] = stage.right

    def count(self, threshold: float, absents: Sequence[float | None]) -> NDArray[np.int64]:
        """Counts at one threshold for values and each of several for "absent": [absents, 4], as in :class:`Counts`."""
        first = self._first(threshold, absents)
        present = first & self.present
        absent = first & ~self.present
        return np.stack(
            [part.sum(axis=(1, 2)) for part in (present, present & ~self.right, absent, absent & ~self.right)], axis=1
        )

    def _first(self, threshold: float, absents: Sequence[float | None]) -> NDArray[np.bool_]:
        """The stage at which each document is accepted, if any: [absents, documents, stages]."""
        wanted = np.array([_NEVER if absent is None else absent for absent in absents])[:, None, None]
        passes = self.probability >= np.where(self.present, threshold, wanted)
        found: NDArray[np.bool_] = passes & (np.cumsum(passes, axis=2) == 1)
        return found

    def shown(self, threshold: float) -> NDArray[np.bool_]:
        """For each document whether the value is right that escalation up to this threshold ends with."""
        first = self._first(threshold, [None])[0]
        stage = np.where(first.any(axis=1), first.argmax(axis=1), first.shape[1] - 1)
        right: NDArray[np.bool_] = self.right[np.arange(len(stage)), stage]
        return right

    def values(self, pair: Pair) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each document whether a value is accepted at these thresholds, and whether it is a wrong one."""
        first = self._first(pair[0], [pair[1]])[0] & self.present
        return first.any(axis=1), (first & ~self.right).any(axis=1)


def count(found: Sequence[Trial], threshold: float, absent: float | None = None) -> Counts:
    """What is accepted at these thresholds, and how much of it is wrong."""
    return _count(Table(found), threshold, absent)


def _count(table: Table, threshold: float, absent: float | None = None) -> Counts:
    return Counts(*(int(number) for number in table.count(threshold, [absent])[0]))


#: More labels than anybody has: the tiers would have to be better.
MOST_LABELS = 1_000_000


def labels_needed(
    error_rate: float, accepted_share: float, risk: float, delta: float, *, beyond: int = 0
) -> int | None:
    """Labelled documents that would certify ``risk`` if errors keep their rate; ``None`` when they are too frequent
    for any number.

    Args:
        beyond: documents that have not sufficed.
    """
    if error_rate >= risk or accepted_share <= 0:
        return None

    def fails(accepted: int) -> bool:
        # The binomial tail P(Bin(n, risk) <= k) as a beta tail, which also knows a k between whole numbers.
        errors = error_rate * accepted
        return float(betainc(accepted - errors, errors + 1.0, 1.0 - risk)) > delta

    low, high = 1, 1
    while fails(high):
        low, high = high, high * 2
        if high > MOST_LABELS:
            return None
    while low < high:
        middle = (low + high) // 2
        if fails(middle):
            low = middle + 1
        else:
            high = middle
    return max(math.ceil(high / accepted_share), beyond + 1)


def _promise(accepted: int, errors: int, scale: float, risk: float) -> float:
    """The p-value to expect on calibration documents, ``scale`` of them for each fitting document."""
    number = int(accepted * scale)
    return binomial_tail(round((errors + PRIOR_ERRORS) * scale), number, risk) if number else 1.0


def _absent_pairs(fitting: Table, risk: float) -> list[float | None]:
    """For each λ of the grid the threshold for "absent": the laxest at which the fitting documents' absences err no
    more, as a share, than their values do at λ (and never more than half of ``risk``)."""
    pairs: list[float | None] = []
    for threshold in GRID:
        counts = fitting.count(threshold, [None, *GRID])
        accepted, errors = counts[0, :2]
        allowed = 0.5 * risk
        if accepted:
            allowed = min(max((errors + PRIOR_ERRORS) / accepted, 0.05 * risk), risk)
        usable = (counts[1:, 2] > 0) & (counts[1:, 3] + PRIOR_ERRORS <= allowed * counts[1:, 2])
        pairs.append(GRID[int(np.flatnonzero(usable)[-1])] if usable.any() else None)
    return pairs


def choose(fitting: Sequence[Trial], calibration: Sequence[Trial], target: float, delta: float) -> Threshold:
    """The laxest certified threshold for ``target``, or an uncertified one that only steers escalation.

    Args:
        fitting: documents the combiners were fitted on; they settle which sequences are tested and where each begins.
        calibration: documents nothing was made from.
    """
    risk = 1.0 - target
    seen = Table(calibration)
    alone: tuple[Pair, float] | None = None
    begun, share = None, delta
    if fitting and calibration:
        plan = _plan(Table(fitting), risk, delta, len(calibration) / len(fitting))
        for sequence in plan.sequences:
            certified = _last_passed(seen, sequence, risk, delta / plan.parts)
            if certified is not None:
                return _evidence(seen, certified, True, risk, delta / plan.parts)
        absent = _last_passed(seen, plan.absence, risk, delta / plan.parts, values=False)
        alone = None if absent is None else (absent, delta / plan.parts)
        begun, share = plan.sequences[-1][0], delta / plan.parts
    found = _evidence(seen, (_steering(seen, risk), None), False, risk, delta)
    found = replace(found, labels_needed=_needed(seen, begun, risk, share))
    if alone is None:
        return replace(found, steer=_steer(seen))
    (steer, _), share = alone
    return replace(found, steer=steer, absent=_of_absent(seen, alone[0], share))


def _last_passed(
    seen: Table, sequence: Sequence[Pair], risk: float, delta: float, *, values: bool = True
) -> Pair | None:
    """The last pair before the first that fails its tests; that of values only where they are to be accepted."""
    certified: Pair | None = None
    for threshold, absent in sequence:
        found = _count(seen, threshold, absent)
        if values and binomial_tail(found.present_errors, found.present, risk) > delta:
            break
        if absent is not None and binomial_tail(found.absent_errors, found.absent, risk) > delta:
            break
        certified = threshold, absent
    return certified


@dataclass(frozen=True)
class _Plan:
    """The sequences of pairs to test, the better one first, and one that tests absence alone; each at an equal part of
    δ."""

    sequences: list[list[Pair]]
    absence: list[Pair] = field(default_factory=list)

    @property
    def parts(self) -> int:
        return len(self.sequences) + bool(self.absence)


def _plan(fitting: Table, risk: float, delta: float, scale: float) -> _Plan:
    """What to test, from fitting documents alone.

    A sequence begins where the tests promise the smallest p-value. Where "absent" is promised to pass there are two,
    with it and without: failing to certify absence must not cost the values their certificate. Where values are not
    promised to pass, absence by itself is one more.
    """

    def promises(pair: Pair, *, values: bool = True) -> float:
        found = _count(fitting, *pair)
        of_values = _promise(found.present, found.present_errors, scale, risk) if values else 0.0
        of_absences = _promise(found.absent, found.absent_errors, scale, risk) if pair[1] is not None else 0.0
        return max(of_values, of_absences)

    def begun(pairs: Sequence[Pair], *, values: bool = True) -> tuple[list[Pair], float]:
        found = [promises(pair, values=values) for pair in pairs]
        return list(pairs[found.index(min(found)) :]), min(found)

    plain, promised = begun([(threshold, None) for threshold in GRID])
    if fitting.present.all():
        return _Plan([plain])
    pairs = list(zip(GRID, _absent_pairs(fitting, risk), strict=True))
    usable = [
        index for index, pair in enumerate(pairs) if pair[1] is not None and promises(pair, values=False) <= delta / 2
    ]
    # Laxer λ are paired with laxer absences, so from the first usable one on there is always a pair.
    sequences = [begun(pairs[usable[0] :])[0], plain] if usable else [plain]
    if promised > delta:
        steer = _steer(fitting)
        absence, of_absence = begun([(steer, absent) for absent in GRID], values=False)
        if of_absence <= delta / (len(sequences) + 1):
            return _Plan(sequences, absence)
    return _Plan(sequences)


@dataclass(frozen=True)
class Path:
    """The pairs of thresholds tested up to the one that is served, in order, and the share of δ that the tests had."""

    pairs: tuple[Pair, ...]
    share: float


def path_to(
    fitting: Sequence[Trial], calibration: Sequence[Trial], threshold: Threshold, target: float, delta: float
) -> Path | None:
    """The way on which :func:`choose` came to a certified ``threshold`` with these arguments; ``None`` if it did not.

    Which pairs stand on it, and in which order, was settled by the fitting documents; only where it ends was not.
    """
    if not (threshold.certified and fitting and calibration):
        return None
    pair: Pair = threshold.value, threshold.absent.value if threshold.absent else None
    plan = _plan(Table(fitting), 1.0 - target, delta, len(calibration) / len(fitting))
    for sequence in plan.sequences:
        if pair in sequence:
            return Path(tuple(sequence[: sequence.index(pair) + 1]), 1.0 / plan.parts)
    return None


def _evidence(calibration: Table, pair: Pair, certified: bool, risk: float, delta: float) -> Threshold:
    """A threshold with what was seen at it."""
    value, absent = pair
    found = _count(calibration, value, absent)
    documents = len(calibration.probability)
    bound = clopper_pearson_upper(found.present_errors, found.present, delta) if found.present else 1.0
    of_absent = None if absent is None else _of_absent(calibration, pair, delta)
    return Threshold(value, certified, found.present, found.present_errors, documents, bound, absent=of_absent)


def _of_absent(calibration: Table, pair: Pair, delta: float) -> AbsentThreshold:
    found = _count(calibration, *pair)
    upper = clopper_pearson_upper(found.absent_errors, found.absent, delta)
    return AbsentThreshold(float(pair[1] or 0.0), found.absent, found.absent_errors, upper)


def _needed(calibration: Table, begun: Pair | None, risk: float, delta: float) -> int | None:
    """Labels that would certify ``risk``, by what was seen at the pair that the tests began with; ``None`` where no
    number would do, or nothing tells."""
    documents = len(calibration.probability)
    found = Counts(0, 0) if begun is None else _count(calibration, *begun)
    if not found.present:
        return None
    return labels_needed(found.present_errors / found.present, found.present / documents, risk, delta, beyond=documents)


def _steer(calibration: Table) -> float:
    """From which probability on another tier is not worth asking, where its answer cannot be accepted: the laxest
    threshold at which as many shown answers are right as at any, give or take one in a hundred documents."""
    documents = len(calibration.probability)
    if not documents:
        return GRID[0]
    rights = np.array([calibration.shown(threshold).sum() for threshold in GRID])
    enough = rights >= rights.max() - SLACK * documents
    return GRID[int(np.flatnonzero(enough)[-1])]


def _steering(calibration: Table, risk: float) -> float:
    """The laxest threshold with at most ``risk`` errors among accepted values, else the one with the fewest."""
    best, fewest = GRID[0], 2.0
    for threshold in GRID:
        found = _count(calibration, threshold)
        rate = max(found.present_errors / found.present, risk) if found.present else 1.0
        if rate <= fewest:
            best, fewest = threshold, rate
    return best
