"""Drawing answers for audits, and documents for calibration: each with the same chance, whatever its confidence, tier
or length.

Audits are about promises, so accepted answers are drawn. Thresholds cannot be certified on those: among them only what
the present thresholds accept is seen, and any laxer one would look as good. For calibration whole documents are drawn,
whatever became of their fields.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.audit.agreement import disagreement_limit, level_name
from gateway.audit.reference import Reference
from gateway.audit.store import AuditedAnswer, AuditedState, Judge, Purpose
from gateway.cascade import Evidence, Extraction, FieldResult
from gateway.document import Document
from gateway.evaluation.dataset import text_digest
from gateway.loaded import LoadedTask
from gateway.policy import chain_name

#: The promise of a policy that is not there.
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
    """Answers of one document that wait for their audit. Everything is as the request had it.

    ``results`` are the answers drawn, ``evidence`` how they were decided; for calibration those of the whole document.
    """

    task: LoadedTask
    request_id: str
    document: Document
    results: Mapping[str, FieldResult]
    evidence: Mapping[str, Evidence]
    purpose: Purpose = "audit"

    @property
    def count(self) -> int:
        """How many answers are to be judged."""
        return len(self.task.spec.fields if self.purpose == "calibration" else self.results)

    @property
    def promise(self) -> str:
        """What the tests are kept under."""
        return self.task.promise or NO_POLICY

    def answers(self, by: Judge, reference: Reference | None, limit_alpha: float) -> list[AuditedAnswer]:
        """What is kept of each answer. Answers of the large tier, and all that are drawn for calibration, go to a
        person, whoever ``by`` says: a model does not audit itself, and what it says is no label.

        Args:
            by: who audits.
            reference: how often the large tier agrees, where that is known.
            limit_alpha: with what probability any of a field's measured limits may be too low.
        """
        answers = []
        for name, result in self.results.items():
            judge: Judge = "person" if result.tier == "large" or self.purpose == "calibration" else by
            allowed = self._allowed(name, result, judge, reference, limit_alpha)
            answers.append(self._answer(name, result.state, result, judge, allowed))
        if self.purpose == "calibration":
            # Of a document all is to be judged, what the request did not ask for too.
            missing = [name for name in self.task.spec.fields if name not in self.results]
            nothing = FieldResult("review", (), None, 0.0, None)
            answers += [self._answer(name, "not-asked", nothing, "person", None) for name in missing]
        return answers

    def _answer(
        self, name: str, state: AuditedState, result: FieldResult, judge: Judge, allowed: float | None
    ) -> AuditedAnswer:
        return AuditedAnswer(
            task=self.task.spec.name,
            request_id=self.request_id,
            document_id=self.document.id,
            digest=text_digest(self.document.text),
            field=name,
            tier=result.tier or "none",
            value=tuple(candidate.value for candidate in result.candidates),
            spans=tuple(span for candidate in result.candidates for span in candidate.spans),
            confidence=result.confidence,
            guarantee=result.guarantee if isinstance(result.guarantee, float) else None,
            allowed=allowed,
            policy=self.promise,
            judge=judge,
            sampled_for=self.purpose,
            state=state,
        )

    def _allowed(
        self, name: str, result: FieldResult, judge: Judge, reference: Reference | None, limit_alpha: float
    ) -> float | None:
        if not isinstance(result.guarantee, float):
            return None  # the word of a rule's author was never tested
        if judge == "person":
            return 1.0 - result.guarantee
        if "large" in self.task.stale_models:
            return None  # another model than the one whose errors are known
        # Agreement was measured with one policy: with another, other answers are accepted.
        if reference is None or reference.promise is None or reference.promise != self.task.promise:
            return None
        evidence = self.evidence.get(name)
        if evidence is None or not self._as_certified(name, result.guarantee, evidence, present=result.present):
            return None
        level = level_name(evidence.chain, result.guarantee)
        return disagreement_limit(reference.agreement.get(name, {}), level, result.guarantee, limit_alpha)

    def _as_certified(self, name: str, guarantee: float, evidence: Evidence, *, present: bool) -> bool:
        """Whether the threshold that accepted was that of the guarantee, and not a stricter one (while the field's
        promise is in doubt): of what that accepts the large tier disagrees with another share."""
        policy = self.task.policy
        found = {} if policy is None else policy.thresholds.get(chain_name(evidence.chain), {}).get(name, {})
        threshold = found.get(guarantee)
        if threshold is None or not evidence.decisions:
            return False
        return evidence.decisions[-1].threshold == threshold.applied(present=present)
