"""Precision, recall and F1 over (document, field) pairs: ``docs/evaluation.md`` defines them, with a worked example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from gateway.document import Candidate, Span
from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.task import TaskSpec
from gateway.values import equal

#: ``strict``: the same string; ``normalised``: the same value under the field's type; ``span``: the same offsets.
Measure = Literal["strict", "normalised", "span"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
#: Field to the candidates a system gives as its answer; a field left out was not found.
Answers = Mapping[str, Sequence[Candidate]]
CountArray = NDArray[np.int64]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives. A wrong value is one of each of the latter two."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @property
    def precision(self) -> float | None:
        """Share of answers that are right; ``None`` without an answer."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """Share of expected values that were found; ``None`` when none is expected."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float | None:
        """2·TP / (2·TP + FP + FN); ``None`` when nothing is expected and nothing answered."""
        return _ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def expected_values(task: TaskSpec, document: LabelledDocument, name: str) -> tuple[str, ...] | None:
    """The values a field should have in a document: none when it is absent, ``None`` when it is not annotated.

    A missing key is "not annotated" unless the task's labels are closed; ``null`` is what the field's ``null_means``
    says; an empty list means that there is no item.

    Raises:
        DatasetError: several values for a field that is not ``many``.
    """
    spec = task.fields[name]
    if name not in document.labels:
        return () if task.closed_labels else None
    label = document.labels[name]
    if label is None:
        return () if spec.null_means == "absent" else None
    values = (label,) if isinstance(label, str) else tuple(label)
    if len(values) > 1 and not spec.many:
        raise DatasetError(
            f'{document.id}: {len(values)} values for "{name}", a single field; write `many: true` in task.yaml'
        )
    return values


def expected_spans(task: TaskSpec, document: LabelledDocument, name: str) -> tuple[Span, ...] | None:
    """The spans a field should have: none when it is absent, ``None`` when the data does not say."""
    if name in document.spans:
        return tuple(document.spans[name])
    return () if expected_values(task, document, name) == () else None


def is_right(task: TaskSpec, name: str, expected: Sequence[str], answered: Sequence[str]) -> bool:
    """Whether an answer is right: its set of values equals the expected one under the field's type.

    For a single field that is value equality; nothing answered is right where nothing is expected.
    """
    kind = task.fields[name].type

    def holds(value: str, values: Sequence[str]) -> bool:
        return any(equal(kind, value, other, options=task.options) for other in values)

    return all(holds(value, expected) for value in answered) and all(holds(value, answered) for value in expected)


def match(expected: Sequence[_Item], answered: Sequence[_Item], same: Callable[[_Item, _Item], bool]) -> Counts:
    """Counts of one (document, field) pair by multiset matching: each expected item is matched at most once.

    ``same`` must be an equivalence relation, so that it does not matter which of two same items is taken.
    """
    left = list(expected)
    found = 0
    for item in answered:
        for position, other in enumerate(left):
            if same(item, other):
                del left[position]
                found += 1
                break
    return Counts(found, len(answered) - found, len(left))


def count_pair(
    task: TaskSpec, document: LabelledDocument, name: str, candidates: Sequence[Candidate], measure: Measure
) -> Counts:
    """Counts of one (document, field) pair; all 0 where the data does not say what is right."""
    if measure == "span":
        spans = expected_spans(task, document, name)
        if spans is None:
            return Counts()
        return match(spans, [span for item in candidates for span in item.spans], lambda one, other: one == other)
    expected = expected_values(task, document, name)
    if expected is None:
        return Counts()
    answered = [candidate.value for candidate in candidates]
    if measure == "strict":
        return match(expected, answered, lambda one, other: one.strip() == other.strip())
    kind = task.fields[name].type
    return match(expected, answered, lambda one, other: equal(kind, one, other, options=task.options))


def count_documents(
    task: TaskSpec, documents: Sequence[LabelledDocument], answers: Sequence[Answers], measure: Measure
) -> CountArray:
    """True positives, false positives and false negatives: (documents, fields in the task's order, 3)."""
    counts = np.zeros((len(documents), len(task.fields), 3), dtype=np.int64)
    for row, (document, answer) in enumerate(zip(documents, answers, strict=True)):
        for column, name in enumerate(task.fields):
            pair = count_pair(task, document, name, answer.get(name, ()), measure)
            counts[row, column] = pair.true_positives, pair.false_positives, pair.false_negatives
    return counts


def total(counts: CountArray) -> Counts:
    """The sum over everything but the last axis."""
    true_positives, false_positives, false_negatives = counts.reshape(-1, 3).sum(axis=0)
    return Counts(int(true_positives), int(false_positives), int(false_negatives))


def has_spans(documents: Sequence[LabelledDocument]) -> bool:
    """Whether the data says where values stand, so that the span measure means something."""
    return any(document.spans for document in documents)


def check_labels(task: TaskSpec, documents: Sequence[LabelledDocument]) -> dict[str, int]:
    """How many documents are annotated, field by field.

    Raises:
        DatasetError: a label does not fit its field, or nothing at all is annotated.
    """
    annotated = {
        name: sum(expected_values(task, document, name) is not None for document in documents) for name in task.fields
    }
    if not any(annotated.values()):
        raise DatasetError(f'no document has a label for a field of task "{task.name}": {", ".join(task.fields)}')
    return annotated
