"""What the labels of each field are like: how many, how often absent, of which type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, NullMeaning, TaskSpec
from gateway.values import ValueOptions
from training.data.check.value_types import TypeEvidence, Writing, suggest_type

#: A share of nulls below this is more likely to be what somebody forgot than how often the field is absent.
RARE_NULLS = 0.01


@dataclass(frozen=True)
class FieldFacts:
    """One field over all documents.

    ``valued``, ``null`` and ``missing`` count documents; ``most`` is the most values one of them has; ``listed`` and
    ``single`` count labels that are lists and such that are strings; ``evidence`` is what speaks for its type.
    """

    name: str
    valued: int
    null: int
    missing: int
    values: int
    different: int
    most: int
    listed: int
    single: int
    with_spans: int
    evidence: TypeEvidence
    common: tuple[tuple[str, int], ...]

    @property
    def many(self) -> bool:
        """Whether a document has several values of it."""
        return self.most > 1

    @property
    def null_means(self) -> NullMeaning:
        """Rare nulls are taken for what was not annotated, frequent ones for absence."""
        total = self.valued + self.null
        return "unannotated" if 0 < self.null < RARE_NULLS * total else "absent"

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": {"valued": self.valued, "null": self.null, "missing": self.missing},
            "values": self.values,
            "different": self.different,
            "most_in_a_document": self.most,
            "documents_with_spans": self.with_spans,
            "suggested": {**self.evidence.as_json(), "many": self.many, "null_means": self.null_means},
            "common": [list(pair) for pair in self.common],
        }


def values_of(document: LabelledDocument, name: str) -> tuple[str, ...]:
    """The labelled values of a field in a document; none where it is absent or not annotated."""
    label = document.labels.get(name)
    if label is None:
        return ()
    return (label,) if isinstance(label, str) else tuple(label)


def field_names(documents: Sequence[LabelledDocument]) -> list[str]:
    """All fields that labels or spans name, in the order in which they appear."""
    return list(dict.fromkeys(name for document in documents for name in (*document.labels, *document.spans)))


def field_facts(documents: Sequence[LabelledDocument]) -> tuple[dict[str, FieldFacts], Writing]:
    """Field to its facts, and how values are written over all fields.

    Types are suggested under the writing that the values themselves show: what is a date depends on the order of day
    and month, and that order on which fields are dates.
    """
    names = field_names(documents)
    values = {name: [value for document in documents for value in values_of(document, name)] for name in names}
    writing = Writing()
    for found in values.values():
        evidence = suggest_type(found)
        # Values that are no date do not make the others' order of day and month say less.
        kind = evidence.nearly[0] if evidence.nearly else evidence.type
        for value in found:
            writing.add(kind, value)
    facts = {name: _facts(name, documents, values[name], writing.options) for name in names}
    return facts, writing


def _facts(
    name: str, documents: Sequence[LabelledDocument], values: Sequence[str], options: ValueOptions
) -> FieldFacts:
    labels = [document.labels[name] for document in documents if name in document.labels]
    counts = Counter(values)
    return FieldFacts(
        name=name,
        valued=sum(bool(label) for label in labels),
        null=sum(not label for label in labels),
        missing=len(documents) - len(labels),
        values=len(values),
        different=len(counts),
        most=max((len(label) if isinstance(label, list) else 1 for label in labels if label), default=0),
        listed=sum(isinstance(label, list) for label in labels),
        single=sum(isinstance(label, str) for label in labels),
        with_spans=sum(bool(document.spans.get(name)) for document in documents),
        evidence=suggest_type(values, options),
        common=tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]),
    )


def task_from_facts(facts: dict[str, FieldFacts], writing: Writing, name: str = "data") -> TaskSpec:
    """The task that the data itself suggests; what :mod:`training.drafting.task` writes down."""
    options = writing.options
    fields = {
        field.name: FieldSpec(field.name, field.evidence.type, field.many, "", field.null_means)
        for field in facts.values()
    }
    return TaskSpec(
        name,
        fields,
        day_first=options.day_first,
        region=options.region,
        decimal=options.decimal,
        closed_labels=labels_are_closed(facts),
    )


def labels_are_closed(facts: dict[str, FieldFacts]) -> bool:
    """Whether a missing label seems to mean absent: labels are left out, and no field is ever null."""
    return any(field.missing for field in facts.values()) and not any(field.null for field in facts.values())
