"""The trade-off between cost and quality: single tiers, the cascade at thresholds and targets, and the oracle."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from gateway.cascade import Extraction, FieldResult
from gateway.document import TierName
from gateway.evaluation.metrics import expected_values, is_right
from gateway.evaluation.replay import Recorded, Tally, replay, tally
from gateway.policy import AbsentThreshold, Chain, Policy, Threshold
from gateway.task import TaskSpec

#: Thresholds of the sweep, the same for all fields.
SWEEP = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)


@dataclass(frozen=True)
class Point:
    """One way of answering. ``kind``: ``tier`` (that tier alone, everything accepted), ``threshold`` (the cascade with
    one threshold for all fields), ``target`` (the cascade at a quality target of the policy; ``certified`` says
    whether every field is certified there), or ``oracle`` (each field from the cheapest tier that is right)."""

    kind: str
    name: str
    certified: bool
    tally: Tally


def curve(
    task: TaskSpec,
    policy: Policy,
    items: Sequence[Recorded],
    not_trusted: Mapping[str, Collection[TierName]] | None = None,
) -> list[Point]:
    """All points for documents whose tier outputs are known.

    The sweep's thresholds are hand-set and promise nothing; it is what a naive policy could choose from.

    Args:
        not_trusted: as in :class:`gateway.cascade.Run`; it does not concern single tiers and the oracle.
    """
    distrusted = not_trusted or {}
    tiers = [tier for tier in task.tiers if items and tier in items[0].outputs]
    points = [
        Point("tier", tier, False, tally(task, items, [_alone(task, item, tier) for item in items])) for tier in tiers
    ]
    for value in SWEEP:
        swept = with_threshold(policy, task, value)
        points.append(Point("threshold", f"{value:g}", False, _cascade(task, swept, items, None, distrusted)))
    chain = tuple(tiers)
    tabled = [found for by_field in policy.thresholds.values() for found in by_field.values()]
    targets = sorted({target for found in tabled for target in found})
    for target in targets:
        certified = all(
            (chosen := policy.threshold(_trusted(chain, distrusted.get(name, ())), name, target)) is not None
            and chosen[1].certified
            for name in task.fields
        )
        points.append(Point("target", f"{target:g}", certified, _cascade(task, policy, items, target, distrusted)))
    if items:
        points.append(
            Point("oracle", "oracle", False, tally(task, items, [_oracle(task, item, tiers) for item in items]))
        )
    return points


def with_threshold(policy: Policy, task: TaskSpec, value: float) -> Policy:
    """The same combiners with one hand-set threshold everywhere, which counts as if certified for any target."""
    threshold = Threshold(value, True, 0, 0, 0, 1.0, None, AbsentThreshold(value, 0, 0, 1.0))
    everywhere = {chain: {name: {1.0: threshold} for name in task.fields} for chain in policy.thresholds}
    return replace(policy, thresholds=everywhere)


def _trusted(chain: Chain, distrusted: Collection[TierName]) -> Chain:
    return tuple(tier for tier in chain if tier not in distrusted)


def _cascade(
    task: TaskSpec,
    policy: Policy,
    items: Sequence[Recorded],
    quality: float | None,
    distrusted: Mapping[str, Collection[TierName]],
) -> Tally:
    extractions = [replay(task, policy, item.outputs, quality=quality, not_trusted=distrusted) for item in items]
    return tally(task, items, extractions)


def _alone(task: TaskSpec, item: Recorded, tier: TierName) -> Extraction:
    results: dict[str, FieldResult] = {}
    for name, spec in task.fields.items():
        proposal = item.outputs[tier].proposals.get(name)
        found = proposal.candidates if proposal else ()
        results[name] = FieldResult("accepted", found if spec.many else found[:1], tier, 1.0, None, spec.many)
    return Extraction(results, "complete", (tier,), (), {tier: item.outputs[tier].work}, {})


def _oracle(task: TaskSpec, item: Recorded, tiers: Sequence[TierName]) -> Extraction:
    """Every field from the first tier whose first choice is right; a document pays for the tiers up to the last needed.

    Where no tier is right all are paid, and the last one's answer stays in review.
    """
    results: dict[str, FieldResult] = {}
    needed = 0
    for name in task.fields:
        expected = expected_values(task, item.document, name)
        answers = [_alone(task, item, tier).fields[name] for tier in tiers]
        right = [
            number
            for number, answer in enumerate(answers)
            if expected is None or is_right(task, name, expected, [candidate.value for candidate in answer.candidates])
        ]
        results[name] = answers[right[0]] if right else replace(answers[-1], state="review")
        needed = max(needed, right[0] + 1 if right else len(tiers))
    asked = tuple(tiers[:needed])
    work = {tier: item.outputs[tier].work for tier in asked}
    return Extraction(results, "complete", asked, (), work, {})


def as_csv(points: Sequence[Point]) -> str:
    """One line a point: kind, name, certified, and every number of its tally."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [column.name for column in fields(Tally)]
    writer.writerow(["kind", "name", "certified", *names, "accepted_share", "selective_error", "right_share"])
    for point in points:
        numbers = [_short(getattr(point.tally, name)) for name in names]
        error = point.tally.selective_error
        derived = [
            _short(point.tally.accepted_share),
            "" if error is None else _short(error),
            _short(point.tally.right_share),
        ]
        writer.writerow([point.kind, point.name, str(point.certified).lower(), *numbers, *derived])
    return stream.getvalue()


def _short(value: float | int) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def by_kind(points: Sequence[Point]) -> Mapping[str, list[Point]]:
    """Points grouped by kind, in order."""
    grouped: dict[str, list[Point]] = {}
    for point in points:
        grouped.setdefault(point.kind, []).append(point)
    return grouped
