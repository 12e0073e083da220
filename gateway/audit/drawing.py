"""Drawing answers for audits: each accepted answer with the same chance, whatever its confidence, tier or length."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.audit.agreement import disagreement_limit
from gateway.audit.reference import Reference
from gateway.audit.store import AuditedAnswer, Judge
from gateway.cascade import Extraction, FieldResult
from gateway.document import Document
from gateway.evaluation.dataset import text_digest
from gateway.loaded import LoadedTask

#: The version of a policy that is not there.
NO_POLICY = "none"


def draw(extraction: Extraction, share: float, chance: Callable[[], float] = random.random) -> tuple[str, ...]:
    """The fields whose answers are to be audited; microseconds.

    Only accepted answers with a guarantee are drawn: in review nothing is promised, and a tier asked alone promises
    nothing. Each is drawn by itself, so that the rate of errors among those drawn is that among all.
    """
    return tuple(
        name
        for name, result in extraction.fields.items()
        if result.state == "accepted" and result.guarantee is not None and chance() < share
    )


@dataclass(frozen=True)
class Drawn:
    """Answers of one document that wait for their audit. Everything is as the request had it."""

    task: LoadedTask
    request_id: str
    document: Document
    results: Mapping[str, FieldResult]

    @property
    def policy(self) -> str:
        return self.task.policy_digest or NO_POLICY

    def answers(self, by: Judge, reference: Reference | None) -> list[AuditedAnswer]:
        """What is kept of each answer. An answer of the large tier goes to a person, whoever ``by`` says: a model does
        not audit itself."""
        digest = text_digest(self.document.text)
        return [
            AuditedAnswer(
                task=self.task.spec.name,
                request_id=self.request_id,
                document_id=self.document.id,
                digest=digest,
                field=name,
                tier=result.tier or "none",
                value=tuple(candidate.value for candidate in result.candidates),
                spans=tuple(span for candidate in result.candidates for span in candidate.spans),
                confidence=result.confidence,
                guarantee=result.guarantee if isinstance(result.guarantee, float) else None,
                allowed=self._allowed(name, result, judge, reference),
                policy=self.policy,
                judge=judge,
            )
            for name, result in self.results.items()
            for judge in (self._judge(by, result),)
        ]

    @staticmethod
    def _judge(by: Judge, result: FieldResult) -> Judge:
        return "person" if result.tier == "large" else by

    def _allowed(self, name: str, result: FieldResult, judge: Judge, reference: Reference | None) -> float | None:
        if not isinstance(result.guarantee, float):
            return None  # the word of a rule's author was never tested
        if judge == "person":
            return 1.0 - result.guarantee
        if "large" in self.task.stale_models:
            return None  # another model than the one whose errors are known
        # Agreement was measured with one policy: with another, other answers are accepted.
        measured = reference is not None and reference.policy == self.task.policy_digest
        counts = reference.agreement.get(name) if reference is not None and measured else None
        return disagreement_limit(counts, self.task.policy, name, result.guarantee)
