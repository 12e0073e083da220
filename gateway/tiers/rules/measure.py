"""What rules are worth on labelled documents: how often each finds something, and how often it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.document import Document
from gateway.evaluation.bounds import clopper_pearson
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values
from gateway.task import TaskSpec
from gateway.tiers.rules.candidates import rank
from gateway.tiers.rules.tier import Outcome, RuleRun, RulesTier
from gateway.values import ValueOptions, ValueType, canonical, fold_text

#: What became of a rule that was not run: it is not used there.
_NOT_TRIED: frozenset[Outcome] = frozenset(("skipped", "set-aside"))
#: A table for people shows this many pairs of rules a field; JSON has all.
_MOST_CONFLICTS_SHOWN = 5


@dataclass
class Count:
    """How often something was proposed, and how often it was right."""

    found: int = 0
    right: int = 0

    def add(self, right: bool) -> None:
        self.found += 1
        self.right += right

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The exact two-sided interval of the precision (Clopper & Pearson 1934), documents taken as independent."""
        if not self.found:
            return 0.0, 1.0
        low, high = clopper_pearson(self.found - self.right, self.found, confidence)
        return 1.0 - high, 1.0 - low

    def as_json(self, documents: int) -> dict[str, Any]:
        return {
            "found": self.found,
            "right": self.right,
            "coverage": self.found / documents if documents else None,
            "precision": self.precision,
            "interval": list(self.interval()),
        }


@dataclass
class RuleFigures:
    """One rule: its own first candidate, and where the tier takes its candidate as the best of the field.

    Both are counted on the documents on which the rule is used: where a rule that its ``unless`` names has found
    something it is not tried, and would often be wrong. ``tried`` says on how many it was.
    """

    source: str
    stated: float | None
    tried: int = 0
    alone: Count = field(default_factory=Count)
    best: Count = field(default_factory=Count)


@dataclass
class Conflict:
    """Two rules whose first candidates differ on some documents, and how often either was right there."""

    documents: int = 0
    first_right: int = 0
    second_right: int = 0


@dataclass
class FieldFigures:
    """One field: its annotated documents, its rules in order, and the tier's best candidate."""

    name: str
    documents: int = 0
    best: Count = field(default_factory=Count)
    rules: dict[str, RuleFigures] = field(default_factory=dict)
    conflicts: dict[tuple[str, str], Conflict] = field(default_factory=dict)

    @property
    def dead(self) -> list[str]:
        """Rules that found nothing in any document, tried or not."""
        return [source for source, figures in self.rules.items() if not figures.alone.found]

    @property
    def never_tried(self) -> list[str]:
        """Rules before which, on every document, one that their ``unless`` names had found something."""
        return [source for source, figures in self.rules.items() if self.documents and not figures.tried]

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            **self.best.as_json(self.documents),
            "rules": {
                figures.source: {
                    "stated": figures.stated,
                    "tried": figures.tried,
                    **figures.alone.as_json(self.documents),
                    "best": figures.best.as_json(self.documents),
                }
                for figures in self.rules.values()
            },
            "dead": self.dead,
            "never_tried": self.never_tried,
            "conflicts": [
                {
                    "rules": list(pair),
                    "documents": conflict.documents,
                    "right": [conflict.first_right, conflict.second_right],
                }
                for pair, conflict in _most_conflicts(self)
            ],
        }


def no_figures(tier: RulesTier) -> dict[str, FieldFigures]:
    """Field to figures in which nothing is counted yet."""
    found = {name: FieldFigures(name) for name in tier.rules.task.fields}
    for rule in tier.rules.rules:
        found[rule.field.name].rules[rule.source] = RuleFigures(rule.source, rule.spec.precision)
    return found


def measure(
    tier: RulesTier, documents: Iterable[LabelledDocument], figures: dict[str, FieldFigures] | None = None
) -> dict[str, FieldFigures]:
    """Run the rules on documents and compare with their labels by value; returns field to figures.

    ``figures`` of the same rules are counted on (parts of a cross-validation, whose lookups differ).

    A field that is not annotated in a document is left out there; where the labels say that it is absent, whatever is
    found is wrong (:func:`gateway.evaluation.metrics.expected_values`). Of a ``many`` field every item counts.
    """
    task = tier.rules.task
    found = no_figures(tier) if figures is None else figures
    for document in documents:
        traced = tier.trace(Document(document.text, document.id), list(task.fields))
        for name, runs in traced.items():
            expected = expected_values(task, document, name)
            if expected is None:
                continue
            spec, field_figures = task.fields[name], found[name]
            field_figures.documents += 1
            wanted = _wanted(expected, spec.type, task.options)
            for run in runs:
                field_figures.rules[run.rule.source].tried += run.outcome not in _NOT_TRIED
                for candidate in run.candidates if spec.many else run.candidates[:1]:
                    field_figures.rules[run.rule.source].alone.add(candidate.normalised in wanted)
            if not spec.many:
                _count_conflicts(field_figures, runs, wanted)
            ranked = rank([run.candidates for run in runs], spec)
            for candidate in ranked if spec.many else ranked[:1]:
                right = candidate.normalised in wanted
                field_figures.best.add(right)
                field_figures.rules[candidate.source].best.add(right)
    return found


def unknown_labels(task: TaskSpec, documents: Iterable[LabelledDocument]) -> dict[str, int]:
    """Label to the documents that have it, where the task has no field of that name: nothing is measured by it."""
    found = Counter(name for document in documents for name in document.labels if name not in task.fields)
    return dict(found.most_common())


def _count_conflicts(figures: FieldFigures, runs: Sequence[RuleRun], wanted: set[str]) -> None:
    # An agreement only repeats what others say.
    firsts = [
        (run.rule.source, run.candidates[0].normalised)
        for run in runs
        if run.candidates and run.rule.finder is not None
    ]
    for number, (left, left_value) in enumerate(firsts):
        for right, right_value in firsts[number + 1 :]:
            if left_value != right_value:
                conflict = figures.conflicts.setdefault((left, right), Conflict())
                conflict.documents += 1
                conflict.first_right += left_value in wanted
                conflict.second_right += right_value in wanted


def _most_conflicts(figures: FieldFigures) -> list[tuple[tuple[str, str], Conflict]]:
    return sorted(figures.conflicts.items(), key=lambda item: -item[1].documents)


def _wanted(values: Sequence[str], kind: ValueType, options: ValueOptions) -> set[str]:
    """The expected values as candidates are normalised."""
    return {canonical(kind, value, options=options) or fold_text(value) for value in values}


def render_figures(fields: Iterable[FieldFigures]) -> str:
    """A table a field: what each rule finds by itself, and how it fares where the tier takes its candidate."""
    lines: list[str] = []
    for figures in fields:
        lines.append(f"{figures.name}: {figures.documents} documents")
        lines.append(f"  {'rule':36} {'tried':>6} {'found':>6} {'right':>6} {'precision':>9} {'95 %':>13}   as best")
        for rule in figures.rules.values():
            best = f"{rule.best.right} of {rule.best.found}" if rule.best.found else "never"
            lines.append(f"  {rule.source:36} {rule.tried:6} {_cells(rule.alone)}   {best}")
        lines.append(f"  {'best candidate':36} {figures.documents:6} {_cells(figures.best)}")
        found_nothing = [source for source in figures.dead if source not in figures.never_tried]
        if figures.documents and found_nothing:
            lines.append(f"  never found anything: {', '.join(found_nothing)}")
        if figures.never_tried:
            lines.append(
                f"  never tried, for a rule of its unless always found something: {', '.join(figures.never_tried)}"
            )
        for (left, right), conflict in _most_conflicts(figures)[:_MOST_CONFLICTS_SHOWN]:
            lines.append(
                f"  {left} and {right} differ on {conflict.documents}: right {conflict.first_right} and"
                f" {conflict.second_right}"
            )
    return "\n".join(lines)


def _cells(count: Count) -> str:
    if count.precision is None:
        return f"{0:6} {0:6} {'-':>9} {'-':>13}"
    low, high = count.interval()
    return f"{count.found:6} {count.right:6} {count.precision:9.3f} {low:.3f} – {high:.3f}"
