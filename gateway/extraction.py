"""The answer to one request, and its JSON form (the HTTP answer and a line of ``cascade extract --json``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.cascade import AUTHOR, Evidence, Extraction, FieldResult
from gateway.cost import Cost
from gateway.document import Candidate, TierName


@dataclass(frozen=True)
class Filtered:
    """The filter that kept a document from being extracted from: its id, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """An extraction with its cost, timing and the versions of everything that took part.

    ``timing`` holds wall seconds by tier and ``total``; ``versions`` digests by part. ``filtered`` is set when no tier
    was asked because a filter told the document apart; ``not_asked`` says which tiers the request's budget kept from
    being asked, and why. ``doubted`` are the fields whose promised quality is in doubt: what they promised stands in
    the extraction, for those who audit it, and not in the answer.
    """

    task: str
    document_id: str | None
    extraction: Extraction
    cost: Cost
    timing: Mapping[str, float]
    versions: Mapping[str, Any]
    filtered: Filtered | None = None
    not_asked: Mapping[TierName, str] = field(default_factory=dict)
    doubted: frozenset[str] = frozenset()

    def as_json(self, *, explain: bool = False) -> dict[str, Any]:
        """The answer; with ``explain`` also the work behind its cost, and for each field what every tier proposed and
        how it was decided."""
        extraction = self.extraction
        answer: dict[str, Any] = {
            "id": self.document_id,
            "task": self.task,
            "status": extraction.status,
            "fields": {
                name: _field_json(result, doubted=name in self.doubted) for name, result in extraction.fields.items()
            },
            "tiers": list(extraction.tiers),
            "escalated": extraction.escalated,
            "cost": _cost_json(self.cost),
            "timing_ms": {name: round(seconds * 1000, 3) for name, seconds in self.timing.items()},
            "versions": dict(self.versions),
        }
        if self.filtered is not None:
            answer["filtered"] = {"id": self.filtered.id, "reason": self.filtered.reason}
        if extraction.unavailable:
            answer["unavailable"] = dict(extraction.unavailable)
        if self.not_asked:
            answer["not_asked"] = dict(self.not_asked)
        if explain:
            answer["work"] = _work_json(self)
            answer["explanation"] = {name: _evidence_json(evidence) for name, evidence in extraction.evidence.items()}
        return answer


def _cost_json(cost: Cost) -> dict[str, Any]:
    written: dict[str, Any] = {
        "amount": cost.amount,
        "currency": cost.currency,
        "always_large": cost.always_large,
        "by_tier": dict(cost.by_tier),
        "overhead": cost.overhead,
    }
    known = {
        "energy_joules": cost.energy_joules,
        "co2e_grams": cost.co2e_grams,
        "provisioned": cost.provisioned,
    }
    for name, amount in known.items():
        if amount is not None:
            written[name] = amount
    return written


def _work_json(outcome: Outcome) -> dict[str, Any]:
    tiers: dict[str, Any] = {
        tier: {
            "cpu_seconds": work.cpu_seconds,
            "gpu_seconds": work.gpu_seconds,
            "wall_seconds": work.wall_seconds,
            "tokens": work.tokens,
            "batch_size": work.batch_size,
            "prompt_tokens": work.prompt_tokens,
            "completion_tokens": work.completion_tokens,
            "billed": work.amount,
        }
        for tier, work in outcome.extraction.work.items()
    }
    return {**tiers, "overhead": {"cpu_seconds": outcome.cost.overhead_seconds}}


def _evidence_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "chain": list(evidence.chain),
        "proposals": {
            tier: [candidate.as_json() for answer in answers for candidate in answer.candidates]
            for tier, answers in evidence.answers.items()
        },
        **({"evidence": [candidate.as_json() for candidate in evidence.unmeasured]} if evidence.unmeasured else {}),
        "decisions": [
            {
                "tier": decision.tier,
                "answered": decision.answered,
                "confidence": round(decision.confidence, 6),
                "target": decision.target,
                "threshold": decision.threshold,
                "verdict": decision.verdict,
            }
            for decision in evidence.decisions
        ],
    }


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "text": candidate.text,
        "value": candidate.value,
        "normalised": candidate.normalised,
        "spans": [list(span) for span in candidate.spans],
        "source": candidate.source,
    }


def _field_json(result: FieldResult, *, doubted: bool) -> dict[str, Any]:
    judged = {
        "state": result.state,
        "present": result.present,
        "tier": result.tier,
        "confidence": round(result.confidence, 6),
        "guarantee": None if doubted and result.guarantee != AUTHOR else result.guarantee,
        **({"doubted": True} if doubted else {}),
    }
    if result.many:
        return {**judged, "items": [_candidate_json(candidate) for candidate in result.candidates]}
    if not result.candidates:
        absent: Mapping[str, Any] = {"text": None, "value": None, "normalised": None, "spans": [], "source": None}
        return {**judged, **absent}
    return {**judged, **_candidate_json(result.candidates[0])}


def tiers_up_to(tiers: tuple[TierName, ...], last: TierName) -> tuple[TierName, ...]:
    """The tiers of a task up to and including ``last``, cheapest first; those beyond it are left out."""
    order: tuple[TierName, ...] = ("rules", "student", "large")
    return tuple(tier for tier in tiers if order.index(tier) <= order.index(last))
