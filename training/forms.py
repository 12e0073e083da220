"""Making forms.json: how known values are written, learned from the training part's labels only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import TaskSpec
from gateway.tiers.forms import Forms, KnownValues
from gateway.values import fold_text


def learn_forms(documents: Sequence[LabelledDocument], task: TaskSpec, *, least: float = 97.0) -> Forms:
    """The usual writing of every text value in the labels.

    Values that fold to the same text are one value, written as it is labelled most often (on a tie, as first seen).
    Only text fields have
    forms: a date or amount is what stands in the text.

    Args:
        least: similarity (0 to 100) from which a text with the same digits counts as a misreading of a known value.
    """
    known: dict[str, KnownValues] = {}
    for name, field in task.fields.items():
        if field.type != "text":
            continue
        writings: Mapping[str, Counter[str]] = defaultdict(Counter)
        for document in documents:
            label = document.labels.get(name)
            for value in [label] if isinstance(label, str) else label or []:
                folded = fold_text(value)
                if folded:
                    writings[folded][value.strip()] += 1
        known[name] = KnownValues(
            {folded: counts.most_common(1)[0][0] for folded, counts in sorted(writings.items())}, least
        )
    return Forms(known)
