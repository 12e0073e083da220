"""Certificates beyond one field: all fields of a request together, and merchants instead of documents.

Both certify thresholds that are served already. Which thresholds were tested before the one served was settled by
fitting documents (:func:`training.calibrate.thresholds.path_to`), so the same way can be walked again with other
hypotheses; where all of them are rejected, up to the one served, it has another certificate, valid by the same
argument (fixed-sequence testing), each by itself.

**The task as a whole.** Each of the task's F fields has ``delta / F``; those that accept nothing have nothing
to keep, but count: which they are came out of the same documents. With confidence ``1 − delta`` then all fields keep
``1 − target`` at once (union bound), and so does any mixture of their accepted values: the share that is wrong among
all of them together is a weighted mean of the fields' shares.

**New groups.** Documents of one merchant err together, so for merchants to come the merchants are what was drawn. For a
group with accepted values let R be the share of them that is wrong. Groups are taken as independent draws, R lies in
[0, 1], and "its mean is above 1 − target" is tested by Hoeffding–Bentkus
(:func:`gateway.evaluation.bounds.hoeffding_bentkus`). Each group counts the same, however many documents it has. What
it says of merchants that neither rules nor models have seen, only such merchants among the calibration documents can
tell (``unseen``).

For both it is the quality that the threshold serves that is tested, and beside it the laxer targets of :data:`LAXER`;
the strictest that passes is reported. That takes no part of the confidence: on one way, what passes for a target passes
for every laxer one, so a false report takes that the laxest false hypothesis was rejected. Which calibrated target
serves a quality is settled by the same documents, though, each target on a way of its own: so all that may come to
serve it share the field's part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from gateway.certificates import DEFAULT, GroupCertificate, GroupCertificates, TaskCertificate
from gateway.evaluation.bounds import binomial_tail, hoeffding_bentkus
from gateway.policy import Threshold
from training.calibrate.thresholds import labels_needed, path_to
from training.calibrate.trials import Pair, Table, Trial

#: Targets that are tried where the one asked for does not pass; fixed, so that no calibration document shapes them.
LAXER = (0.9, 0.8, 0.6)


def tried(quality: float) -> tuple[float, ...]:
    """The targets that are tested where ``quality`` is served, strictest first."""
    return (quality, *(target for target in LAXER if target < quality - 1e-9))


class Field:
    """One field's trials, and the thresholds that were found with them.

    Args:
        groups: the group of each calibration document, in the order of ``calibration``.
    """

    def __init__(
        self,
        fitting: Sequence[Trial] | Table,
        calibration: Sequence[Trial] | Table,
        thresholds: Mapping[float, Threshold],
        delta: float,
        groups: Sequence[str] = (),
    ) -> None:
        self.fitting, self.calibration = Table.of(fitting), Table.of(calibration)
        self.thresholds, self.groups = thresholds, groups
        self._delta = delta
        self._paths: dict[float, tuple[Pair, ...] | None] = {}

    def served(self, quality: float) -> float | None:
        """The certified target that serves ``quality`` (as :meth:`gateway.policy.Policy.threshold` chooses)."""
        enough = [target for target, found in self.thresholds.items() if found.certified and target >= quality - 1e-9]
        return min(enough, default=None)

    def may_serve(self, quality: float) -> int:
        """How many calibrated targets could come to serve ``quality``."""
        return max(1, sum(target >= quality - 1e-9 for target in self.thresholds))

    def path(self, target: float) -> tuple[Pair, ...]:
        """How the certified threshold for ``target`` was come to."""
        if target not in self._paths:
            threshold = self.thresholds[target]
            self._paths[target] = path_to(self.fitting, self.calibration, threshold, target, self._delta)
        path = self._paths[target]
        if path is None:
            raise ValueError(f"the threshold for {target:g} was not found with these documents")
        return path

    def holds(self, served: float, target: float, delta: float) -> bool:
        """Whether the threshold that is served keeps another target at another level."""
        path = self.path(served)
        for pair in path:
            accepted, wrong = self.calibration.values(pair)
            if binomial_tail(int(wrong.sum()), int(accepted.sum()), 1.0 - target) > delta:
                return False
        return True

    def labels_needed(self, served: float, risk: float, delta: float) -> list[int | None]:
        """How many labelled documents each test on the way to the threshold would take to pass for ``risk``."""
        path = self.path(served)
        needed: list[int | None] = []
        for pair in path:
            accepted, wrong = self.calibration.values(pair)
            number, errors = int(accepted.sum()), int(wrong.sum())
            share = number / max(1, len(accepted))
            needed.append(labels_needed(errors / max(1, number), share, risk, delta, beyond=len(accepted)))
        return needed

    def shares_wrong(self, served: float, among: Collection[str] | None = None) -> list[list[float]]:
        """Along the way to the threshold: the share that is wrong of each group's accepted values."""
        return [self._shares(pair, among) for pair in self.path(served)]

    def _shares(self, pair: Pair, among: Collection[str] | None) -> list[float]:
        accepted, wrong = self.calibration.values(pair)
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for group, has, errs in zip(self.groups, accepted, wrong, strict=True):
            if has and (among is None or group in among):
                counts[group][0] += 1
                counts[group][1] += int(errs)
        return [errors / number for number, errors in counts.values()]


def certify_whole(fields: Mapping[str, Field], quality: Mapping[str, float], delta: float) -> TaskCertificate:
    """What is certified of all accepted values together when each field is asked for at its ``quality``."""
    served = {name: target for name, field in fields.items() if (target := field.served(quality[name])) is not None}
    wanted = min(quality.values())
    shares = {name: delta / (len(fields) * field.may_serve(quality[name])) for name, field in fields.items()}
    found = next(
        (
            target
            for target in tried(wanted)
            if served and all(fields[name].holds(of, target, shares[name]) for name, of in served.items())
        ),
        None,
    )
    thresholds = [fields[name].thresholds[target] for name, target in served.items()]
    needed: int | None = None
    if thresholds and (found is None or found < wanted - 1e-9):
        each = [
            labels
            for name, target in served.items()
            for labels in fields[name].labels_needed(target, 1.0 - wanted, shares[name])
        ]
        known = [number for number in each if number is not None]
        needed = max(known) if len(known) == len(each) else None
    return TaskCertificate(
        found,
        len(fields),
        sum(one.accepted for one in thresholds),
        sum(one.errors for one in thresholds),
        max((one.documents for one in thresholds), default=0),
        needed,
    )


def certify_task(
    fields: Mapping[str, Field], targets: Sequence[float], default: Mapping[str, float], delta: float
) -> dict[str, TaskCertificate]:
    """:func:`certify_whole` for every target asked for of all fields, and for each field at its own ``default``."""
    found = {f"{target:g}": certify_whole(fields, dict.fromkeys(fields, target), delta) for target in targets}
    return {**found, DEFAULT: certify_whole(fields, default, delta)}


def certify_groups(field: Field, served: float, unseen: Collection[str], delta: float) -> GroupCertificates:
    """What is certified of groups when the threshold for the target ``served`` is used.

    Args:
        unseen: the groups that neither rules nor models have seen.
    """
    return GroupCertificates(
        _over_groups(field.shares_wrong(served), served, delta),
        _over_groups(field.shares_wrong(served, unseen), served, delta),
    )


def _over_groups(shares: Sequence[Sequence[float]], served: float, delta: float) -> GroupCertificate:
    found = next(
        (
            target
            for target in tried(served)
            if all(
                hoeffding_bentkus(float(np.mean(seen)) if seen else 0.0, len(seen), 1.0 - target) <= delta
                for seen in shares
            )
        ),
        None,
    )
    last = shares[-1]
    return GroupCertificate(found, len(last), sum(share > 0 for share in last), float(np.mean(last)) if last else 0.0)
