"""The combiner: from what several tiers proposed to the probability that one answer is right.

A small logistic regression a field and a set of tiers, whose weights stand readable in ``policy.json``. Its features
for one answer (a value, or the set of values of a ``many`` field):

* ``<tier>.logit``: log-odds of the tier's own score for this answer, 0 when it did not propose it;
* ``<tier>.proposed``: 1 when the tier proposed this answer;
* ``<tier>.margin``: that log-odds less the log-odds of the tier's best other answer (its floor when there is none);
* ``<tier>.other``: log-odds of the tier's best other answer above the floor, so that conflict counts against;
* ``<tier>.rivals``: logarithm of 1 + the number of the tier's other answers;
* ``agree``: 1 when this answer is the first choice of every tier that was asked, and several were;
* ``by.<source>``: 1 when the tier's candidate came from this source, for tiers with several (``by.total/agreed``);
* ``valid``: 1 when the value reads as the field's type.

Agreement between tiers therefore raises the probability, and conflict lowers it.

That a field is *absent* is an answer too, with a combiner of its own whose features are what the tiers found against
it:

* ``<tier>.found``: 1 when the tier proposed any value;
* ``<tier>.best``: log-odds of its best one above the floor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.document import Candidate, Proposal, TierName
from gateway.values import ValueOptions, ValueType, canonical

#: Scores outside this range carry no further information and would dominate a sum of log-odds.
SCORE_FLOOR, SCORE_CEILING = 0.002, 0.9995


@dataclass(frozen=True)
class Answer:
    """One possible answer for a field: a candidate, or all items of a ``many`` field.

    ``key`` identifies it by value, so that the same value from two tiers is one answer.
    """

    key: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    score: float

    @property
    def present(self) -> bool:
        """Whether it is a value, rather than that the field is absent."""
        return bool(self.candidates)


#: The answer that a field is absent.
ABSENT = Answer((), (), 0.0)


def answers_of(proposal: Proposal | None, many: bool) -> list[Answer]:
    """The answers one tier proposes, best first; none when it found nothing."""
    if proposal is None or not proposal.candidates:
        return []
    if many:
        key = tuple(sorted(candidate.normalised for candidate in proposal.candidates))
        return [Answer(key, proposal.candidates, min(candidate.score for candidate in proposal.candidates))]
    return [Answer((candidate.normalised,), (candidate,), candidate.score) for candidate in proposal.candidates]


def log_odds(score: float) -> float:
    """ln(p / (1 − p)) of a score clipped to [0.002, 0.9995]."""
    clipped = min(max(score, SCORE_FLOOR), SCORE_CEILING)
    return math.log(clipped / (1.0 - clipped))


FLOOR_LOG_ODDS = log_odds(0.0)


def features(key: tuple[str, ...], proposals: Mapping[TierName, Sequence[Answer]], *, valid: bool) -> dict[str, float]:
    """The features (see the module's docstring) of the answer ``key`` given every tier's answers."""
    values: dict[str, float] = {"valid": float(valid)}
    for tier, answers in proposals.items():
        mine = max((answer for answer in answers if answer.key == key), key=lambda answer: answer.score, default=None)
        others = [answer.score for answer in answers if answer.key != key]
        own, other = None if mine is None else mine.score, max(others, default=0.0)
        own_logit = FLOOR_LOG_ODDS if own is None else log_odds(own)
        values[f"{tier}.proposed"] = float(own is not None)
        values[f"{tier}.logit"] = 0.0 if own is None else own_logit
        values[f"{tier}.margin"] = own_logit - log_odds(other)
        values[f"{tier}.other"] = log_odds(other) - FLOOR_LOG_ODDS
        values[f"{tier}.rivals"] = math.log1p(len(others))
        for candidate in mine.candidates if mine else ():
            if candidate.source != tier:
                values[f"by.{candidate.source}"] = 1.0
    values["agree"] = float(len(proposals) > 1 and all(found and found[0].key == key for found in proposals.values()))
    return values


def absence_features(proposals: Mapping[TierName, Sequence[Answer]]) -> dict[str, float]:
    """The features (see the module's docstring) of the answer that the field is absent."""
    values: dict[str, float] = {}
    for tier, answers in proposals.items():
        values[f"{tier}.found"] = float(bool(answers))
        values[f"{tier}.best"] = log_odds(max((answer.score for answer in answers), default=0.0)) - FLOOR_LOG_ODDS
    return values


@dataclass(frozen=True)
class Combiner:
    """Logistic regression: probability = σ(intercept + Σ weight · feature)."""

    intercept: float
    weights: Mapping[str, float]

    def probability(self, values: Mapping[str, float]) -> float:
        total = self.intercept + sum(weight * values.get(name, 0.0) for name, weight in self.weights.items())
        # Both branches avoid overflow of exp.
        return 1.0 / (1.0 + math.exp(-total)) if total >= 0 else math.exp(total) / (1.0 + math.exp(total))


def _reads(answer: Answer, kind: ValueType, options: ValueOptions) -> bool:
    return all(canonical(kind, item.value, options=options) is not None for item in answer.candidates)


def _grounded(answer: Answer) -> bool:
    return all(item.grounded for item in answer.candidates)


def nominees(
    answers: Mapping[TierName, Sequence[Answer]], kind: ValueType, *, options: ValueOptions
) -> dict[TierName, Answer]:
    """The answer that each tier puts forward: the first that stands in the text and reads as the field's type, else
    the first that stands in the text, else its first.

    A tier's order among its own answers rests on what it saw of the document, of which the combiner knows a handful of
    figures; so the combiner weighs tiers against each other, and does not order one tier's answers anew. A tier's
    second choice is in the running where another tier puts it forward.
    """
    forward: dict[TierName, Answer] = {}
    for tier, proposed in answers.items():
        if proposed:
            standing = [answer for answer in proposed if _grounded(answer)]
            reading = (answer for answer in standing if _reads(answer, kind, options))
            forward[tier] = next(reading, (standing or proposed)[0])
    return forward


def most_probable(
    answers: Mapping[TierName, Sequence[Answer]],
    combiner: Combiner | None,
    kind: ValueType,
    *,
    options: ValueOptions,
    absence: Combiner | None = None,
) -> tuple[Answer | None, float]:
    """The most probable of the tiers' :func:`nominees` given all answers, and its probability; without a combiner, the
    best scored.

    With an ``absence`` combiner :data:`ABSENT` is one of the answers. Serving and calibration both choose by this
    function: a threshold is certified for the choice it makes. An answer that does not stand in the text is shown where
    there is no other, with a probability of −1, which no threshold accepts. Nothing known is ``(None, -1)``.
    """
    best: Answer | None = None
    highest = -1.0
    for answer in nominees(answers, kind, options=options).values():
        if not _grounded(answer):
            probability = -1.0
        elif combiner is None:
            probability = answer.score
        else:
            valid = _reads(answer, kind, options)
            probability = combiner.probability(features(answer.key, answers, valid=valid))
        # On equal terms the later tier's wording counts.
        if probability >= highest:
            best, highest = answer, probability
    if absence is not None and answers:
        probability = absence.probability(absence_features(answers))
        if probability > highest:
            return ABSENT, probability
    return best, highest
