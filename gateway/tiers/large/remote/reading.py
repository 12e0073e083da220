"""From a remote model's replies to candidates: grounded in the text, scored, best first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gateway.document import Candidate, Proposal
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.forms import Forms
from gateway.tiers.large.remote.answer import Value
from gateway.tiers.large.remote.client import Reply
from gateway.tiers.large.remote.confidence import from_agreement, from_tokens
from gateway.tiers.large.remote.configuration import Confidence
from gateway.tiers.large.remote.grounding import GroundedText
from gateway.values import canonical, fold_text

#: A value that is not in the text keeps this share of its score.
UNGROUNDED_SHARE = 0.1
#: Values of one field that are looked at.
_MOST_VALUES = 100


class Reader:
    """Reads replies about documents of one task.

    A candidate's ``source`` is ``large/`` and how it was found: ``exact``, ``value``, ``folded``, ``fuzzy``, or
    ``ungrounded`` for a value that is not in the text and has no spans.
    """

    def __init__(self, task: TaskSpec, forms: Forms, confidence: Confidence) -> None:
        self._task, self._forms, self._confidence = task, forms, confidence

    def proposals(
        self, text: GroundedText, replies: Sequence[Reply], fields: Sequence[str], *, suffix: str = ""
    ) -> dict[str, Proposal]:
        """What the first reply says, scored with the help of the others; their other values are its rivals."""
        return {name: self._propose(text, replies, self._task.fields[name], suffix) for name in fields}

    def _propose(self, text: GroundedText, replies: Sequence[Reply], spec: FieldSpec, suffix: str) -> Proposal:
        read = [
            [
                (value, candidate)
                for value in reply.values.get(spec.name, ())[:_MOST_VALUES]
                if (candidate := self._ground(text, value, spec, suffix)) is not None
            ]
            for reply in replies
        ]
        votes = Counter(key for values in read for key in {candidate.normalised for _, candidate in values})
        found: dict[str, Candidate] = {}
        for reply, values in zip(replies, read, strict=True):
            for value, candidate in values:
                key = candidate.normalised
                if key not in found:
                    score = candidate.score * self._score(reply, value, votes[key], len(replies))
                    found[key] = replace(candidate, score=score)
        own = list(dict.fromkeys(candidate.normalised for _, candidate in read[0]))
        if spec.many:
            return Proposal(tuple(found[key] for key in own))
        rivals = sorted((key for key in found if key not in own[:1]), key=lambda key: -found[key].score)
        return Proposal(tuple(found[key] for key in [*own[:1], *rivals]))

    def _ground(self, text: GroundedText, value: Value, spec: FieldSpec, suffix: str) -> Candidate | None:
        """A candidate whose score is the share that grounding leaves of the model's."""
        grounding = text.find(value.text, spec.type)
        share = grounding.similarity if grounding.span else UNGROUNDED_SHARE
        verbatim = text.text[slice(*grounding.span)] if grounding.span else value.text
        written = self._forms.value(spec.name, verbatim)
        normalised = canonical(spec.type, written, options=self._task.options) or fold_text(written)
        if not normalised:
            return None
        spans = (grounding.span,) if grounding.span else ()
        return Candidate(verbatim, written, normalised, spans, share, f"large/{grounding.how}{suffix}")

    def _score(self, reply: Reply, value: Value, agreeing: int, samples: int) -> float:
        if samples > 1:
            return from_agreement(agreeing, samples)
        likely = from_tokens(reply.completion.tokens, value, self._confidence.aggregate)
        return self._confidence.prior if likely is None else likely
