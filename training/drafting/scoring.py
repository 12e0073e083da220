"""What candidate rules find in documents that they were not made from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from gateway.errors import RuleFileError
from gateway.tiers.rules import schema
from gateway.tiers.rules.budget import Budget, TimeLimits
from gateway.tiers.rules.candidates import candidates_of
from gateway.tiers.rules.compiling import CompiledRule, Compiler, Lookup
from gateway.tiers.rules.finders import Selective
from gateway.tiers.rules.patterns import Compiled, compile_pattern
from gateway.tiers.rules.prefilter import Prefilter
from gateway.tiers.rules.text import Text
from training.drafting.candidate import Candidate
from training.drafting.occurrences import FieldCorpus

_RULE: TypeAdapter[schema.Rule] = TypeAdapter(schema.Rule)
#: A rule has what it has when it serves; all rules of a document together are not limited here.
_LIMITS = TimeLimits(document=3600.0)


def most_late(documents: int) -> int:
    """On how many of so many documents a rule may run out of time: pauses of the interpreter are not its doing."""
    return max(2, documents // 100)


@dataclass(frozen=True)
class Answer:
    """What a rule gives in a document: normalised values (the first alone of a single field), and which are right."""

    values: tuple[str, ...]
    right: tuple[str, ...]


@dataclass
class Score:
    """A candidate on documents that it was not made from: its answers by document, and where it ran out of time."""

    answers: dict[int, Answer] = field(default_factory=dict)
    late: int = 0

    @property
    def found(self) -> int:
        """How many values it gave."""
        return sum(len(answer.values) for answer in self.answers.values())

    @property
    def right(self) -> int:
        """How many of them are right."""
        return sum(len(answer.right) for answer in self.answers.values())


class Runner:
    """Runs candidates of one field as the rules tier would.

    Args:
        corpus: the field's documents.
        library: recogniser to pattern, the value types' own among them.
    """

    def __init__(self, corpus: FieldCorpus, library: Mapping[str, str]) -> None:
        self._corpus = corpus
        self._library = library
        self._compiled = functools.lru_cache(maxsize=20_000)(compile_pattern)

    def compile(self, candidate: Candidate, identifier: str = "candidate") -> CompiledRule | None:
        """The rule as it runs; ``None`` where it is none, such as one whose pattern is too long."""
        entries = [(entry, entry) for entry in candidate.entries]
        keys = {**candidate.keys, "id": identifier}
        if candidate.entries:
            keys["file"] = "values.csv"
        try:
            rule = _RULE.validate_python(keys)
            compiler = Compiler("draft", self._corpus.spec, self._library, lambda _: Lookup(entries), self._compiled)
            return compiler.compile(rule)
        except (RuleFileError, ValueError):  # a pydantic error is a ValueError
            return None

    def run(
        self, candidates: Sequence[Candidate], numbers: Sequence[int], tick: Callable[[int], object] = lambda _: None
    ) -> dict[str, Score]:
        """Key to score on the documents with these numbers, as far as they are annotated."""
        rules = [(candidate.key, rule) for candidate in candidates if (rule := self.compile(candidate)) is not None]
        scores = {key: Score() for key, _ in rules}
        prefilter = Prefilter([_needs(rule) for _, rule in rules])
        options = self._corpus.task.options
        budget = Budget(_LIMITS)
        for number in numbers:
            item = self._corpus.documents[number]
            tick(1)
            if item.wanted is None:
                continue
            text = Text(item.document.text)
            scan = prefilter.scan(text.text)
            text.places = scan.starts
            for place in scan.rules:
                key, rule = rules[place]
                if rule.finder is None or scores[key].late > most_late(len(numbers)):
                    continue
                try:
                    budget.begin_rule()
                    found = list(rule.finder.find(text, budget))
                    values = candidates_of(rule, found, text, options, budget) if found else []
                except TimeoutError:
                    scores[key].late += 1
                    continue
                if values:
                    forms = [value.normalised for value in (values if self._corpus.spec.many else values[:1])]
                    right = tuple(form for form in forms if form in item.wanted)
                    scores[key].answers[number] = Answer(tuple(forms), right)
        return scores


def _needs(rule: CompiledRule) -> tuple[Compiled, ...]:
    finder: object = rule.finder
    return finder.needs if isinstance(finder, Selective) else ()
