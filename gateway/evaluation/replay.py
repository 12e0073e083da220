"""Cascades run again on recorded tier outputs: what other thresholds, targets or tiers would have made of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.cascade import Extraction, Run
from gateway.document import TierName, TierOutput
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values, is_right
from gateway.policy import Policy
from gateway.task import TaskSpec


@dataclass(frozen=True)
class Recorded:
    """A labelled document and the output of every tier for it, all fields asked for."""

    document: LabelledDocument
    outputs: Mapping[TierName, TierOutput]


def replay(
    task: TaskSpec,
    policy: Policy,
    outputs: Mapping[TierName, TierOutput],
    *,
    quality: float | None = None,
    tiers: Sequence[TierName] | None = None,
    not_trusted: Mapping[str, Collection[TierName]] | None = None,
) -> Extraction:
    """The extraction that a cascade of ``tiers`` (all recorded ones by default) makes of these outputs.

    Args:
        not_trusted: as in :class:`gateway.cascade.Run`.
    """
    allowed = [tier for tier in task.tiers if tier in outputs and (tiers is None or tier in tiers)]
    fields = tuple(task.fields)
    run = Run(task, policy, fields=fields, quality=quality, tiers=allowed, not_trusted=not_trusted)
    while (tier := run.next_tier()) is not None:
        run.absorb(tier, outputs[tier])
    return run.result()


@dataclass(frozen=True)
class Tally:
    """What a way of answering does to documents.

    ``answers`` are the annotated (document, field) pairs; of them ``accepted`` were accepted, as values
    (``accepted_present``) or as absent, ``wrong_present`` and ``wrong_absent`` of those are wrong, and ``right`` are
    right in their best candidate, accepted or not. ``cost`` is CPU seconds relative to the large tier on every
    document; ``student_share`` and ``large_share`` are the shares of documents that reached them.
    """

    documents: int
    answers: int
    accepted_present: int
    wrong_present: int
    accepted_absent: int
    wrong_absent: int
    right: int
    cost: float
    student_share: float
    large_share: float

    @property
    def accepted_share(self) -> float:
        """Share of annotated answers that were accepted."""
        return (self.accepted_present + self.accepted_absent) / max(1, self.answers)

    @property
    def selective_error(self) -> float | None:
        """Share of accepted values that are wrong; ``None`` when none was accepted."""
        return self.wrong_present / self.accepted_present if self.accepted_present else None

    @property
    def right_share(self) -> float:
        """Share of annotated answers whose best candidate is right."""
        return self.right / max(1, self.answers)


def seconds(recorded: Recorded, tiers: Sequence[TierName]) -> float:
    """CPU seconds these tiers spent on a document."""
    return sum(recorded.outputs[tier].work.cpu_seconds for tier in tiers if tier in recorded.outputs)


def tally(task: TaskSpec, items: Sequence[Recorded], extractions: Sequence[Extraction]) -> Tally:
    """Count what ``extractions`` came to, one for each of ``items``."""
    answers = right = 0
    accepted = {True: 0, False: 0}
    wrong = {True: 0, False: 0}
    spent = always = 0.0
    reached = {"student": 0, "large": 0}
    for item, extraction in zip(items, extractions, strict=True):
        spent += seconds(item, extraction.tiers)
        always += seconds(item, ("large",))
        for tier in reached:
            reached[tier] += tier in extraction.tiers
        for name, result in extraction.fields.items():
            expected = expected_values(task, item.document, name)
            if expected is None:
                continue
            found = [candidate.value for candidate in result.candidates]
            good = is_right(task, name, expected, found)
            answers += 1
            right += good
            if result.state == "accepted":
                accepted[result.present] += 1
                wrong[result.present] += not good
    count = max(1, len(items))
    return Tally(
        len(items),
        answers,
        accepted[True],
        wrong[True],
        accepted[False],
        wrong[False],
        right,
        spent / always if always else 0.0,
        reached["student"] / count,
        reached["large"] / count,
    )
