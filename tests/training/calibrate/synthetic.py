"""Labelled documents and what tiers with known faults say about them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from gateway.document import Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, TaskSpec
from training.calibrate.outputs import Observed

TASK = TaskSpec("bills", {"shop": FieldSpec("shop", "text"), "item": FieldSpec("item", "text", many=True)})


def candidate(value: str, score: float, source: str = "test") -> Candidate:
    return Candidate(value, value, value.lower(), ((0, 1),), score, source)


def output(score_of: dict[str, float], name: str = "shop", seconds: float = 0.0, source: str = "test") -> TierOutput:
    """A tier's candidates for one field, in the order given."""
    found = Proposal(tuple(candidate(value, score, source) for value, score in score_of.items()))
    return TierOutput({name: found}, Work(seconds, seconds, 5))


def observed(label: object, identifier: str = "1", **found: dict[str, float]) -> Observed:
    """A document with one label and what each tier found: ``observed("a", student={"a": 0.9})``."""
    document = LabelledDocument(identifier, identifier, {"shop": label})  # type: ignore[dict-item]
    return Observed(document, {tier: output(scores, source=tier) for tier, scores in found.items()})  # type: ignore[misc]


class NoisyTier:
    """Right with a probability that it knows only roughly: its score is a distorted version of it."""

    def __init__(self, name: TierName, skill: float, seconds: float) -> None:
        self.name, self.version = name, f"sha256:{name}"
        self.skill, self.seconds = skill, seconds
        self.calls = 0

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        return [self._read(document, fields) for document in documents]

    def _read(self, document: Document, fields: Sequence[str]) -> TierOutput:
        self.calls += 1
        rng = random.Random(f"{self.name} {document.text}")
        # How hard the document is lies in its text, so that tiers fail on the same ones.
        easy = random.Random(document.text).random()
        proposals = {}
        for name in fields:
            truth = document.text.split()[0]
            chance = min(0.995, self.skill + (1 - self.skill) * easy)
            right = rng.random() < chance
            score = chance**2
            first = candidate(truth if right else f"wrong{rng.randrange(3)}", score, self.name)
            rival = candidate(f"rival{rng.randrange(3)}", (1 - chance) / 2, self.name)
            many = name == "item"
            found = () if rng.random() < 0.05 else (first,) if many else (first, rival)
            proposals[name] = Proposal(found)
        return TierOutput(proposals, Work(self.seconds * (1 + len(document.text)), 0.0, 5))


def documents(size: int, seed: int, *, unannotated: float = 0.0) -> list[LabelledDocument]:
    """Documents whose first word is the label of every field."""
    rng = random.Random(seed)
    made = []
    for number in range(size):
        text = f"v{rng.randrange(1000)} {'x' * rng.randrange(200)} {seed} {number}"
        value = text.split()[0]
        labels: dict[str, object] = {"shop": value, "item": [value]}
        if rng.random() < unannotated:
            del labels["shop"]
        made.append(LabelledDocument(f"{seed}/{number}", text, labels))  # type: ignore[arg-type]
    return made
