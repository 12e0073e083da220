"""What rules are worth on labelled documents: how often each finds something, and how often it is right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.document import Document
from gateway.evaluation.bounds import clopper_pearson
from gateway.evaluation.dataset import Label, LabelledDocument
from gateway.tiers.rules.candidates import rank
from gateway.tiers.rules.tier import RulesTier
from gateway.values import ValueType, canonical, fold_text


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
    """One rule: alone (its first candidate), and where the tier takes its candidate as the best of the field."""

    source: str
    stated: float | None
    alone: Count = field(default_factory=Count)
    best: Count = field(default_factory=Count)


@dataclass
class FieldFigures:
    """One field: its annotated documents, its rules in order, and the tier's best candidate."""

    name: str
    documents: int = 0
    best: Count = field(default_factory=Count)
    rules: dict[str, RuleFigures] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            **self.best.as_json(self.documents),
            "rules": {
                figures.source: {
                    "stated": figures.stated,
                    **figures.alone.as_json(self.documents),
                    "best": figures.best.as_json(self.documents),
                }
                for figures in self.rules.values()
            },
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

    A missing label means "not annotated" and the field of that document is left out, as is a null label unless the
    task declares its labels closed: then whatever is found there is wrong. Of a ``many`` field every item counts.
    """
    task = tier.rules.task
    found = no_figures(tier) if figures is None else figures
    for document in documents:
        traced = tier.trace(Document(document.text, document.id), list(task.fields))
        for name, runs in traced.items():
            label = document.labels.get(name)
            if label is None and not task.closed_labels:
                continue
            spec, field_figures = task.fields[name], found[name]
            field_figures.documents += 1
            wanted = _wanted(label, spec.type, task.day_first)
            for run in runs:
                for candidate in run.candidates if spec.many else run.candidates[:1]:
                    field_figures.rules[run.rule.source].alone.add(candidate.normalised in wanted)
            ranked = rank([run.candidates for run in runs], spec)
            for candidate in ranked if spec.many else ranked[:1]:
                right = candidate.normalised in wanted
                field_figures.best.add(right)
                field_figures.rules[candidate.source].best.add(right)
    return found


def _wanted(label: Label, kind: ValueType, day_first: bool) -> set[str]:
    """The label's values as candidates are normalised."""
    values = [label] if isinstance(label, str) else label or []
    return {canonical(kind, value, day_first=day_first) or fold_text(value) for value in values}


def render_figures(fields: Iterable[FieldFigures]) -> str:
    """A table a field: what each rule finds alone, and how it fares where the tier takes its candidate."""
    lines: list[str] = []
    for figures in fields:
        lines.append(f"{figures.name}: {figures.documents} documents")
        lines.append(f"  {'rule':36} {'found':>6} {'right':>6} {'precision':>9} {'95 %':>13}   as best")
        for rule in figures.rules.values():
            best = f"{rule.best.right} of {rule.best.found}" if rule.best.found else "never"
            lines.append(f"  {rule.source:36} {_cells(rule.alone)}   {best}")
        lines.append(f"  {'best candidate':36} {_cells(figures.best)}")
    return "\n".join(lines)


def _cells(count: Count) -> str:
    if count.precision is None:
        return f"{0:6} {0:6} {'-':>9} {'-':>13}"
    low, high = count.interval()
    return f"{count.found:6} {count.right:6} {count.precision:9.3f} {low:.3f} – {high:.3f}"
