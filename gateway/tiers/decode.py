"""From token probabilities to candidates: the same for student and large tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.document import Candidate, Proposal, Span, TierName
from gateway.task import FieldSpec
from gateway.tiers.forms import Forms
from gateway.values import (
    DATE_PATTERN,
    DEFAULT_OPTIONS,
    MONEY_PATTERN,
    ValueOptions,
    ValueType,
    canonical,
    fold_text,
)

OUTSIDE, BEGIN, INSIDE = 0, 1, 2
#: A token this unlikely to begin a value starts no candidate, and no document offers more starts than this.
LEAST_START, MOST_STARTS = 0.02, 12
#: Candidates kept a field: the best and what a combiner needs to see of its rivals.
MOST_CANDIDATES = 5
#: An item of a ``many`` field is one the model finds more likely than not.
LEAST_ITEM = 0.5


@dataclass(frozen=True)
class ScoredSpan:
    """A span of characters and how sure the model is of it."""

    start: int
    end: int
    score: float


def find_spans(
    probabilities: NDArray[np.float32], offsets: NDArray[np.int32], starting: NDArray[np.floating] | None = None
) -> list[ScoredSpan]:
    """Spans of one field, best first.

    A span begins at a likely "begin" token (or an "inside" token that follows an "outside" one) and runs on while
    "inside" is more likely than not. Its score is that of its weakest link: the start, any inside token, or the end.

    Args:
        probabilities: ``[tokens, 3]`` for outside, begin, inside.
        offsets: ``[tokens, 2]`` characters.
        starting: what :func:`start_scores` says of this field, if it was asked already.
    """
    scores = start_scores(probabilities) if starting is None else starting
    starts = np.flatnonzero(scores >= LEAST_START)
    if not len(starts):
        return []
    if len(starts) > MOST_STARTS:
        starts = starts[np.argsort(-scores[starts], kind="stable")[:MOST_STARTS]]
    inside = probabilities[:, INSIDE]
    # stops[i]: the first token from i on where "inside" is not more likely than not.
    stops = np.flatnonzero(inside <= 0.5)
    spans: list[ScoredSpan] = []
    for first in starts:
        position = int(np.searchsorted(stops, first + 1))
        end = int(stops[position]) if position < len(stops) else len(inside)
        links = [float(scores[first])]
        if end > first + 1:
            links.append(float(inside[first + 1 : end].min()))
        if end < len(inside):
            links.append(1.0 - float(inside[end]))
        spans.append(ScoredSpan(int(offsets[first, 0]), int(offsets[end - 1, 1]), min(1.0, *links)))
    return sorted(spans, key=lambda span: -span.score)


def start_scores(probabilities: NDArray[np.float32]) -> NDArray[np.floating]:
    """How likely a value begins at each token: ``[tokens, …]`` from ``[tokens, …, 3]``."""
    outside, begin, inside = (probabilities[..., tag] for tag in (OUTSIDE, BEGIN, INSIDE))
    follows_outside = np.ones(outside.shape, dtype=bool)
    follows_outside[1:] = outside[:-1] > 0.5
    return begin + np.where(follows_outside, inside, 0.0)


def propose(
    text: str,
    offsets: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    fields: Sequence[FieldSpec],
    forms: Forms,
    tier: TierName,
    *,
    options: ValueOptions = DEFAULT_OPTIONS,
) -> dict[str, Proposal]:
    """Candidates for every field.

    Occurrences of one value support each other: the value's score is 1 − Π(1 − score of an occurrence), and its text
    is that of the likeliest occurrence.

    Args:
        probabilities: ``[tokens, fields, 3]`` in the order of ``fields``.
    """
    proposals: dict[str, Proposal] = {}
    starting = start_scores(probabilities)
    # Of many fields most have nothing in most texts: what can be known of all at once is not asked of each.
    begun = set(np.nonzero(starting >= LEAST_START)[1].tolist())
    for index, field in enumerate(fields):
        if index not in begun:
            proposals[field.name] = Proposal()
            continue
        spans = find_spans(probabilities[:, index], offsets, starting[:, index])
        if field.many:
            spans = [span for span in spans if span.score >= LEAST_ITEM]
        groups: dict[str, list[Candidate]] = {}
        places: set[Span] = set()
        for span in spans:
            candidate = candidate_at(text, (span.start, span.end), span.score, field, forms, tier, options)
            # Pieces of one word or amount are one occurrence, as likely as the likeliest piece, which comes first.
            if candidate is not None and candidate.spans[0] not in places:
                places.add(candidate.spans[0])
                groups.setdefault(candidate.normalised, []).append(candidate)
        merged = [_merge(group) for group in groups.values()]
        merged.sort(key=lambda candidate: -candidate.score)
        proposals[field.name] = Proposal(tuple(merged if field.many else merged[:MOST_CANDIDATES]))
    return proposals


def candidate_at(
    text: str, span: Span, score: float, field: FieldSpec, forms: Forms, tier: TierName, options: ValueOptions
) -> Candidate | None:
    """The candidate a marked span stands for; ``None`` when it is no value of the field's type."""
    found = snap(text, span, field.type)
    if found is None:
        return None
    start, end = found
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    verbatim = text[start:end]
    value = forms.value(field.name, verbatim)
    normalised = canonical(field.type, value, options=options) or fold_text(value)
    if not normalised:
        return None
    return Candidate(verbatim, value, normalised, ((start, end),), score, tier)


def snap(text: str, span: Span, kind: ValueType) -> Span | None:
    """A marked span stretched to whole words, or stretched or cut to the whole date or amount it touches on its lines.

    Models mark word pieces; part of a name is no name, and part of a number is another number. A span of a date or
    amount that touches no such value is kept when it has a digit (it may be a misread value) and dropped otherwise
    (``None``).
    """
    if kind not in ("date", "money"):
        return _whole_words(text, span)
    start, end = span
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    line = text[first : last if last >= 0 else len(text)]
    pattern = DATE_PATTERN if kind == "date" else MONEY_PATTERN
    best, most = None, 0
    for match in pattern.finditer(line):
        overlap = min(end, first + match.end()) - max(start, first + match.start())
        if overlap > most:
            best, most = match, overlap
    if best is None:
        return span if any(char.isdigit() for char in text[start:end]) else None
    is_signed = kind == "money" and (best["sign"] or best["inner"])
    if kind == "money" and best["currency"] and not is_signed and start - first >= best.start("digits"):
        # The model left the currency out; a sign it may not leave out: without it the amount is another one.
        return first + best.start("digits"), first + best.end()
    return first + best.start(), first + best.end()


def _whole_words(text: str, span: Span) -> Span:
    """A span stretched where its edges cut a run of letters.

    Only letters of scripts with upper and lower case count: those scripts put blanks between words, while others may
    write whole sentences without any.
    """
    start, end = span
    while 0 < start < end and _is_cased(text[start - 1]) and _is_cased(text[start]):
        start -= 1
    while start < end < len(text) and _is_cased(text[end - 1]) and _is_cased(text[end]):
        end += 1
    return start, end


def _is_cased(char: str) -> bool:
    return char.islower() or char.isupper() or char.istitle()


def _merge(group: Sequence[Candidate]) -> Candidate:
    best = max(group, key=lambda candidate: candidate.score)
    doubt = 1.0
    for candidate in group:
        doubt *= 1.0 - candidate.score
    return Candidate(best.text, best.value, best.normalised, best.spans, 1.0 - doubt, best.source)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities
