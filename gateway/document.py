"""What goes through the cascade: documents, candidates, and what a tier proposes for a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

TierName = Literal["rules", "student", "large"]
TIERS: tuple[TierName, ...] = get_args(TierName)

Span = tuple[int, int]


@dataclass(frozen=True)
class Document:
    """The text to extract from, with what else is known about it."""

    text: str
    id: str | None = None
    context: str | None = None
    lines: Sequence[Mapping[str, Any]] | None = None
    reference_date: str | None = None
    locale: str | None = None


@dataclass(frozen=True)
class Candidate:
    """One value a tier read in the text.

    ``text`` is verbatim (``document.text[start:end]``, several spans joined by a space), ``value`` the form labels
    use, ``normalised`` the canonical form (``gateway.values.canonical``; the folded text where that is ``None``).
    ``score`` is the tier's own figure between 0 and 1 and not calibrated: a rule's measured precision, or a model's
    span probability. ``source`` names what found it: ``total/after-label`` for a rule, the tier's name for a model.
    """

    text: str
    value: str
    normalised: str
    spans: tuple[Span, ...]
    score: float
    source: str

    @property
    def grounded(self) -> bool:
        """Whether it stands in the text. A remote model may answer what does not: such a value is never accepted."""
        return bool(self.spans)

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "value": self.value,
            "normalised": self.normalised,
            "spans": [list(span) for span in self.spans],
            "score": self.score,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Candidate:
        spans = tuple((int(start), int(end)) for start, end in raw["spans"])
        return cls(raw["text"], raw["value"], raw["normalised"], spans, raw["score"], raw["source"])


@dataclass(frozen=True)
class Proposal:
    """What one tier proposes for one field.

    For a single field ``candidates`` holds the best candidate first and its rivals (other values) behind it; for a
    ``many`` field it holds the items. Empty means that the tier found nothing.

    ``evidence`` is what rules found that the policy has not measured beside those that it has: shown, but no part of
    any decision. ``author_precision`` is what the authors of rules that are not measured state for the answer (the
    first of the candidates, or of the evidence where there is any; all items of a ``many`` field), ``None`` where they
    do not.
    """

    candidates: tuple[Candidate, ...] = ()
    evidence: tuple[Candidate, ...] = ()
    author_precision: float | None = None

    @property
    def best(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    def as_json(self) -> list[dict[str, Any]]:
        return [candidate.as_json() for candidate in self.candidates]

    @classmethod
    def from_json(cls, raw: Sequence[Mapping[str, Any]]) -> Proposal:
        return cls(tuple(Candidate.from_json(item) for item in raw))


@dataclass(frozen=True)
class Work:
    """What one tier spent on one document: CPU seconds, wall seconds, tokens read, and how many documents shared the
    batch.

    A remote tier's tokens are also told apart as those of prompts and of completions, all calls for the document
    together. ``amount`` is money billed by others, in the task's currency; with ``estimated`` they did not say how many
    tokens they counted. ``unread`` counts code points of the text that were left out because the text was too long.
    ``gpu_seconds`` is set by tiers that run on a GPU. ``overhead_seconds`` are CPU seconds that the process which ran
    the tier spent around it: queueing, reading and writing messages.
    """

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    tokens: int = 0
    batch_size: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    amount: float = 0.0
    estimated: bool = False
    unread: int = 0
    gpu_seconds: float = 0.0
    # No two runs spend the same: it says nothing about whether they did the same work.
    overhead_seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class TierOutput:
    """One tier's answer for one document: a proposal for each field asked for (a missing field counts as nothing
    found).

    ``timed_out`` names fields of which not everything was tried: their proposals are evidence, not to be accepted.
    """

    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    work: Work = field(default_factory=Work)
    timed_out: tuple[str, ...] = ()
