"""Accept thresholds with a guarantee: Learn-then-Test by fixed-sequence testing with exact binomial p-values.

For one field, chain and target, every threshold λ of a fixed grid gives a hypothesis "among the present answers
accepted at λ more than 1 − target are wrong". Given how many documents are accepted, the number of wrong ones is
binomial, so p(λ) = P(Bin(accepted, 1 − target) ≤ errors) is a valid p-value. The hypotheses are tested at level δ in
an order fixed beforehand on *fitting* documents: from the threshold whose test they promise the most power, down to
laxer, cheaper ones, until the first is not rejected. The last one rejected is used. The chance that the threshold used
breaks the target is then at most δ, over the draw of the calibration documents (Angelopoulos et al. 2021, "Learn then
Test", proposition on fixed-sequence testing). It holds for documents drawn like the calibration documents, for each
field, chain and target by itself (no correction over the fields).

"Absent" is an answer with a threshold of its own, which the fitting documents pair with each λ: at least as probable an
absence is not passed on. So each pair says which values and which absences the chain ends with. Both kinds are tested,
each on its own answers, in its own fixed sequence over the same pairs and at level δ: the two certificates hold each by
itself. A pair whose absences fail their test, or that the fitting documents do not promise to pass it, still settles
what is asked next; absences are then not accepted. Of the pairs whose values passed, the one that accepts most is
served. Where the fitting documents do not promise that values can be certified, one more sequence tests absence for the
case that they fail: values are then not accepted, and those at least as probable as the fitting documents ask for are
not passed on. Where there are two sequences of absence, each gets half of δ.

Once a threshold is served, :func:`path_to` gives the hypotheses that were tested on the way to it. The same way walked
with other p-values or at another level gives other certificates for the same threshold
(:mod:`training.calibrate.wider`).

All stages of a chain share λ. One threshold a stage was tried (``benchmarks/thresholds.py``): with probabilities that
are calibrated it saved nothing, and with few labels it cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betainc

from gateway.evaluation.bounds import binomial_tail, clopper_pearson_upper
from gateway.policy import AbsentThreshold, Threshold
from training.calibrate.trials import GRID, Pair, Table, Trial, count

#: Errors added to those counted on fitting documents, so that few documents do not look better than they are.
PRIOR_ERRORS = 0.5
#: Share of documents whose value "absent" may miss, however few have one: one rare field of many would otherwise send
#: every document to the last tier.
MISSED = 0.001
#: Share of documents with a value whose shown answer may be wrong for want of another tier, where nothing is accepted.
SLACK = 0.01
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


def _pairs(fitting: Table, risk: float, most: float | None = None) -> list[Pair]:
    """Each λ of the grid with its threshold for "absent": the laxest at which the fitting documents' absences err no
    more, as a share, than their values do at λ, and never more than half of ``risk``. Nor may they miss too many of the
    values that are there (or more than ``most``): of a field that is hardly ever there, "absent" is seldom wrong and
    finds nothing."""
    if fitting.present.all():
        return [(threshold, None) for threshold in GRID]
    pairs: list[Pair] = []
    most_missed, most_lost = _most_missed(fitting, risk) if most is None else (most, most)
    for threshold, counts in zip(GRID, fitting.by_grid, strict=True):
        accepted, errors = counts[0, :2]
        allowed = 0.5 * risk
        if accepted:
            allowed = min(max((errors + PRIOR_ERRORS) / accepted, 0.05 * risk), allowed)
        absences, missed, lost = counts[1:, 2], counts[1:, 3], counts[1:, 4]
        usable = (absences > 0) & (missed + PRIOR_ERRORS <= allowed * absences)
        usable &= (missed <= most_missed) & (lost <= most_lost)
        pairs.append((threshold, GRID[int(np.flatnonzero(usable)[-1])] if usable.any() else None))
    return pairs


def _most_missed(table: Table, risk: float) -> tuple[float, float]:
    """How many values of these documents "absent" may miss, and how many of these that the last stage has right: what
    it misses too, or gets wrong, is not worth asking it on every document."""
    values, least = risk * table.valued, MISSED * len(table)
    return max(values, least), max(0.5 * values, least)


def choose(
    fitting: Sequence[Trial] | Table, calibration: Sequence[Trial] | Table, target: float, delta: float
) -> Threshold:
    """The laxest certified threshold for ``target``, or an uncertified one that only steers escalation.

    Args:
        fitting: documents the combiners were fitted on; they settle which sequences are tested and where each begins.
        calibration: documents nothing was made from.
    """
    risk = 1.0 - target
    seen = Table.of(calibration)
    if not (fitting and calibration):
        found = _evidence(seen, (_steering(seen, risk), None), delta)
        return replace(found, certified=False, steer=_steer(seen, [(value, None) for value in GRID])[0])
    plan = _plan(Table.of(fitting), risk, delta, len(calibration) / len(fitting))
    values = _passed(seen, plan.values, risk, delta)
    absences = _passed(seen, plan.absences, risk, delta / plan.parts, absences=True)
    if values:
        pair = _best(seen, values, absences)
        found = _evidence(seen, pair, delta)
        return replace(found, absent=_of_absent(seen, pair, pair in absences, delta / plan.parts))
    found = _evidence(seen, (_steering(seen, risk), None), delta)
    found = replace(found, certified=False, labels_needed=_needed(seen, plan.values[0], risk, delta))
    alone = _passed(seen, plan.alone, risk, delta / plan.parts, absences=True)
    pair = alone[-1] if alone else _steer(seen, absences or plan.pairs)
    # Nothing is accepted here, so that these documents themselves may say what is not worth asking; at last, however
    # many values are missed: a field whose answers are all in review is not worth the last tier on every document.
    for most in (None, len(seen)):
        if pair[1] is None:
            usable = [found for found in _pairs(seen, risk, most) if found[1] is not None]
            pair = _steer(seen, usable) if usable else pair
    certified = bool(alone) or pair in absences
    return replace(found, steer=pair[0], absent=_of_absent(seen, pair, certified, delta / plan.parts))


def _best(seen: Table, values: Sequence[Pair], absences: Sequence[Pair]) -> Pair:
    """Of the pairs whose values passed, the one that accepts most answers, and of equals the laxest. Every pair that
    passed may be served; absences count where they passed too."""

    def accepted(pair: Pair) -> int:
        found = count(seen, *pair)
        return found.present + (found.absent if pair in absences else 0)

    return max(reversed(values), key=accepted)  # the first of equals


def _passed(seen: Table, sequence: Sequence[Pair], risk: float, delta: float, *, absences: bool = False) -> list[Pair]:
    """The pairs of a sequence before the first whose values, or absences, fail their test."""
    passed: list[Pair] = []
    for pair in sequence:
        found = count(seen, *pair)
        accepted, errors = found.present, found.present_errors
        if absences:
            accepted, errors = found.absent, found.absent_errors
        if binomial_tail(errors, accepted, risk) > delta:
            break
        passed.append(pair)
    return passed


@dataclass(frozen=True)
class _Plan:
    """What is tested: ``values`` and ``absences`` are sequences among the same ``pairs``, ``alone`` one of absence
    where values are not promised to pass."""

    pairs: list[Pair]
    values: list[Pair]
    absences: list[Pair]
    alone: list[Pair]

    @property
    def parts(self) -> int:
        """Into how many parts the sequences of absence divide δ."""
        return max(1, bool(self.absences) + bool(self.alone))


def _plan(fitting: Table, risk: float, delta: float, scale: float) -> _Plan:
    """What to test, from fitting documents alone. A sequence begins where its tests promise the smallest p-value;
    that of absences not before the values' one, and only where they are promised to pass."""

    def of_values(pair: Pair) -> float:
        found = count(fitting, *pair)
        return _promise(found.present, found.present_errors, scale, risk)

    def of_absences(pair: Pair) -> float:
        found = count(fitting, *pair)
        return _promise(found.absent, found.absent_errors, scale, risk) if pair[1] is not None else 1.0

    pairs = _pairs(fitting, risk)
    promised = [of_values(pair) for pair in pairs]
    values = pairs[promised.index(min(promised)) :]
    absences: list[Pair] = []
    alone: list[Pair] = []
    if not fitting.present.all():
        if min(promised) > delta:
            steer, _ = _steer(fitting, pairs)
            most_missed, most_lost = _most_missed(fitting, risk)
            found = {value: count(fitting, steer, value) for value in GRID}
            tried: list[Pair] = [
                (steer, value)
                for value in GRID
                if found[value].absent_errors <= most_missed and found[value].lost <= most_lost
            ]
            of_alone = [of_absences(pair) for pair in tried]
            if of_alone and min(of_alone) <= delta / 2:
                alone = tried[of_alone.index(min(of_alone)) :]
        share = delta / 2 if alone else delta
        usable = [number for number, pair in enumerate(values) if of_absences(pair) <= share]
        absences = values[usable[0] :] if usable else []
    return _Plan(pairs, values, absences, alone)


def path_to(
    fitting: Sequence[Trial] | Table,
    calibration: Sequence[Trial] | Table,
    threshold: Threshold,
    target: float,
    delta: float,
) -> tuple[Pair, ...] | None:
    """The pairs whose values were tested, in order, until :func:`choose` with these arguments came to a certified
    ``threshold``; ``None`` if it did not.

    Which pairs stand on it, and in which order, was settled by the fitting documents; only where it ends was not.
    """
    if not (threshold.certified and fitting and calibration):
        return None
    pair: Pair = threshold.value, threshold.absent.value if threshold.absent else None
    plan = _plan(Table.of(fitting), 1.0 - target, delta, len(calibration) / len(fitting))
    return tuple(plan.values[: plan.values.index(pair) + 1]) if pair in plan.values else None


def _evidence(calibration: Table, pair: Pair, delta: float) -> Threshold:
    """A threshold for values with what was seen at it, as if certified."""
    found = count(calibration, *pair)
    documents = len(calibration)
    bound = clopper_pearson_upper(found.present_errors, found.present, delta) if found.present else 1.0
    return Threshold(pair[0], True, found.present, found.present_errors, documents, bound)


def _of_absent(calibration: Table, pair: Pair, certified: bool, delta: float) -> AbsentThreshold | None:
    if pair[1] is None:
        return None
    found = count(calibration, *pair)
    upper = clopper_pearson_upper(found.absent_errors, found.absent, delta) if found.absent else 1.0
    return AbsentThreshold(pair[1], found.absent, found.absent_errors, upper, certified)


def _needed(calibration: Table, begun: Pair, risk: float, delta: float) -> int | None:
    """Labels that would certify ``risk``, by what was seen at the pair that the tests began with; ``None`` where no
    number would do, or nothing tells."""
    documents = len(calibration)
    found = count(calibration, *begun)
    if not found.present:
        return None
    return labels_needed(found.present_errors / found.present, found.present / documents, risk, delta, beyond=documents)


def _steer(table: Table, pairs: Sequence[Pair]) -> Pair:
    """From which probabilities on another tier is not worth asking, where its answer cannot be accepted: the laxest
    pair at which as many shown answers are right as at any, give or take one in a hundred documents with a value."""
    if not len(table):
        return pairs[0]
    rights = np.array([table.shown(pair).sum() for pair in pairs])
    enough = rights >= rights.max() - SLACK * table.valued
    return pairs[int(np.flatnonzero(enough)[-1])]


def _steering(calibration: Table, risk: float) -> float:
    """The laxest threshold with at most ``risk`` errors among accepted values, else the one with the fewest."""
    best, fewest = GRID[0], 2.0
    for threshold in GRID:
        found = count(calibration, threshold)
        rate = max(found.present_errors / found.present, risk) if found.present else 1.0
        if rate <= fewest:
            best, fewest = threshold, rate
    return best
