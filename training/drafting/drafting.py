"""Drafting one field's rules: propose on all folds but one, score on that one, join, select."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import regex

from gateway.tiers.rules.compiling import BUILT_IN
from gateway.tiers.rules.patterns import PatternProblem, compile_pattern, expand
from gateway.tiers.rules.text import MAX_SCANNED_CHARS
from training.data.check.duplicates import duplicate_groups
from training.drafting.candidate import Candidate
from training.drafting.joining import join
from training.drafting.occurrences import FieldCorpus
from training.drafting.proposing import Limits, Proposer
from training.drafting.scoring import Runner, Score
from training.drafting.selecting import Demand, Figures, Selected, apply, least_new, select

#: Contexts are fewer where texts are long: about so many characters are searched for each field's contexts.
_CHARACTERS = 60_000_000
_FEWEST, _MOST = 8, 40
#: ... and for all fields together.
_CONTEXTS = 600


@dataclass(frozen=True)
class Drafted:
    """A rule that was chosen, as its file will have it, with its figures on unseen folds."""

    candidate: Candidate
    figures: Selected


@dataclass(frozen=True)
class FieldDraft:
    """A field's rules, and how the whole procedure did on folds that had no part in choosing either."""

    field: str
    rules: tuple[Drafted, ...]
    documents: int
    valued: int
    proposed: int
    unseen: Figures


def make_folds(texts: Sequence[str], count: int, seed: int) -> list[list[int]]:
    """Numbers of documents in ``count`` folds of about equal size; equal and nearly equal texts lie in one."""
    groups: dict[int, list[int]] = defaultdict(list)
    for number, group in enumerate(duplicate_groups(texts)):
        groups[group].append(number)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    folds: list[list[int]] = [[] for _ in range(count)]
    for group in sorted(order, key=lambda name: -len(groups[name])):
        min(folds, key=len).extend(groups[group])
    return [sorted(fold) for fold in folds if fold]


def library_patterns(library: Mapping[str, str]) -> dict[str, regex.Pattern[str]]:
    """Recognisers that can be matched with a whole value, compiled."""
    found: dict[str, regex.Pattern[str]] = {}
    for name, source in library.items():
        try:
            found[name] = compile_pattern(expand(source, library))
        except PatternProblem:
            continue  # `cascade rules check` says so
    return found


def draft_field(
    corpus: FieldCorpus,
    folds: Sequence[Sequence[int]],
    library: Mapping[str, str],
    demand: Demand,
    *,
    most: int = 12,
    tick: Callable[[int], object] = lambda _: None,
) -> FieldDraft:
    """Rules for one field.

    For each fold, candidates are proposed from the other folds and scored on it, so that no rule is ever scored on a
    document that it was made from. Simple candidates that are rare but right are joined and scored in the same way.
    What is chosen is proposed once more from all documents. ``unseen`` repeats the choice without each fold in turn and
    applies it to that fold.

    Args:
        corpus: the field's training documents.
        folds: their numbers in folds (:func:`make_folds`).
        library: recogniser to pattern; with the value types' own.
        demand: what a rule must hold.
        most: the most rules for the field.
        tick: called with the number of documents done; in all it is given 2 · documents.
    """
    everything = sorted(number for fold in folds for number in fold)
    annotated = [number for number in everything if corpus.documents[number].wanted is not None]
    wanted = {number: corpus.documents[number].wanted or frozenset() for number in annotated}
    valued = sum(bool(values) for values in wanted.values())
    own = {
        name: pattern for name, pattern in library_patterns(library).items() if name not in BUILT_IN or name in _WIDER
    }
    proposer = Proposer(corpus, own, limits_for(corpus))
    runner = Runner(corpus, library)
    proposals: list[list[Candidate]] = []
    scores: dict[str, Score] = {}
    for fold in folds:
        held_out = set(fold)
        proposals.append(proposer.propose([number for number in everything if number not in held_out]))
        _merge(scores, runner.run(proposals[-1], fold, tick))
    final = proposer.propose(everything)
    joined: dict[str, Score] = {}
    for fold, candidates in zip(folds, proposals, strict=True):
        made = join(candidates, scores, demand.precision, frozenset(fold))
        _merge(joined, runner.run(made, fold, tick))
    by_key = {candidate.key: candidate for candidate in (*final, *join(final, scores, demand.precision))}
    scores |= joined
    new = least_new(valued)
    many = corpus.spec.many
    usable = {key: score for key, score in scores.items() if key in by_key}
    chosen = select(usable, annotated, demand, many=many, most=most, least_new=new)
    unseen = _unseen(folds, scores, wanted, demand, many=many, most=most, least_new=new)
    rules = tuple(Drafted(by_key[item.key], item) for item in chosen)
    return FieldDraft(corpus.spec.name, rules, len(annotated), valued, len(by_key), unseen)


#: Built-in recognisers beside those of a field's own type: they are wider forms of types.
_WIDER = frozenset({"full-date", "currency-amount"})


def limits_for(corpus: FieldCorpus) -> Limits:
    """How many contexts to try, given how long the texts are together and how many fields there are: time is bounded
    whatever they are."""
    characters = sum(min(len(item.document.text), MAX_SCANNED_CHARS) for item in corpus.documents) or 1
    contexts = max(_FEWEST, min(_MOST, _CHARACTERS // characters, _CONTEXTS // len(corpus.task.fields)))
    return Limits(contexts, contexts * 3 // 2)


def _merge(into: dict[str, Score], scores: Mapping[str, Score]) -> None:
    for key, score in scores.items():
        kept = into.setdefault(key, Score())
        kept.answers.update(score.answers)
        kept.late += score.late


def _unseen(
    folds: Sequence[Sequence[int]],
    scores: Mapping[str, Score],
    wanted: Mapping[int, frozenset[str]],
    demand: Demand,
    *,
    many: bool,
    most: int,
    least_new: int,
) -> Figures:
    expected = answered = right = 0
    for fold in folds:
        held_out = set(fold)
        others = [number for number in wanted if number not in held_out]
        chosen = select(scores, others, demand, many=many, most=most, least_new=least_new)
        here = {number: values for number, values in wanted.items() if number in held_out}
        figures = apply([item.key for item in chosen], scores, here, many=many)
        expected += figures.expected
        answered += figures.answered
        right += figures.right
    return Figures(expected, answered, right)
