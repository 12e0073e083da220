"""What rules save: how many answers, and how many documents, would need no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.document import Document
from gateway.evaluation.bounds import clopper_pearson_upper
from gateway.evaluation.dataset import LabelledDocument
from gateway.tiers.rules.candidates import rank
from gateway.tiers.rules.measure import Count, FieldFigures
from gateway.tiers.rules.tier import RulesTier

#: How sure it must be that a trusted rule is as precise as it should be.
_DELTA = 0.05


def precise_enough(count: Count, quality: float) -> bool:
    """Whether the exact one-sided 95 % lower bound of a precision reaches ``quality``."""
    return count.found > 0 and 1.0 - clopper_pearson_upper(count.found - count.right, count.found, _DELTA) >= quality


@dataclass
class Savings:
    """Documents and answers that rules which are precise enough give by themselves.

    ``saved`` counts, for each rule, the answers that it alone (as the best of its field) keeps from the models;
    ``answers`` all (document, field) pairs. It is an estimate: the accept thresholds are learned by
    ``cascade calibrate``, which may trust combinations of rules that no single figure shows.
    """

    qualities: Mapping[str, float]
    trusted: Mapping[str, tuple[str, ...]]
    documents: int = 0
    complete: int = 0
    filtered: int = 0
    answers: int = 0
    saved: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "qualities": dict(self.qualities),
            "trusted": {name: list(sources) for name, sources in self.trusted.items()},
            "documents": self.documents,
            "documents_without_model": self.complete,
            "documents_filtered": self.filtered,
            "answers": self.answers,
            "answers_without_model": self.saved.total(),
            "by_rule": dict(self.saved.most_common()),
        }

    def render(self) -> str:
        """A few lines for people."""
        lines = [
            "savings, where rules are trusted whose precision reaches their field's quality target (95 % confidence):",
            f"  answers that need no model    {_share(self.saved.total(), self.answers)}",
            f"  documents that need no model  {_share(self.complete, self.documents)}",
        ]
        if self.filtered:
            lines.append(f"  documents that are filtered   {_share(self.filtered, self.documents)}")
        lines += [f"    {source:36} {count:6}" for source, count in self.saved.most_common()]
        return "\n".join(lines)


def _share(count: int, total: int) -> str:
    return f"{count} of {total}" + (f" ({100 * count / total:.1f} %)" if total else "")


def estimate_savings(
    tier: RulesTier,
    documents: Iterable[LabelledDocument],
    figures: Mapping[str, FieldFigures],
    quality: float | None = None,
) -> Savings:
    """Count what the rules that ``figures`` show to be precise enough answer by themselves.

    ``quality`` is the target of all fields; ``None`` for each field's own. A ``many`` field counts when every item
    found comes from a trusted rule. A rule that was measured on few documents is not trusted, however right it was.
    """
    task = tier.rules.task
    qualities = task.qualities(quality)
    trusted = {
        name: tuple(
            source for source, rule in figures[name].rules.items() if precise_enough(rule.best, qualities[name])
        )
        for name in task.fields
    }
    savings = Savings(qualities, trusted)
    for document in documents:
        savings.documents += 1
        savings.answers += len(task.fields)
        if tier.filter(Document(document.text)) is not None:
            savings.filtered += 1
            continue
        answered = 0
        for name, runs in tier.trace(Document(document.text, document.id), list(task.fields)).items():
            ranked = rank([run.candidates for run in runs], task.fields[name])
            sources = [candidate.source for candidate in (ranked if task.fields[name].many else ranked[:1])]
            if sources and all(source in trusted[name] for source in sources):
                answered += 1
                savings.saved[sources[0]] += 1
        savings.complete += answered == len(task.fields)
    return savings
