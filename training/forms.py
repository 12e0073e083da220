"""Making forms.json: how known values are written, learned from the training part's labels only."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from gateway.document import Span
from gateway.evaluation.dataset import LabelledDocument
from gateway.task import TaskSpec
from gateway.tiers.forms import Forms, KnownValues
from gateway.values import fold_text

#: Documents, evenly spaced, that say whether forms bring anything: enough to tell, few enough to be told in seconds.
_JUDGED = 1000


def learn_forms(
    documents: Sequence[LabelledDocument],
    task: TaskSpec,
    aligned: Sequence[Mapping[str, Sequence[Span]]] | None = None,
    *,
    least: float = 97.0,
) -> Forms:
    """The usual writing of every text value in the labels.

    Values that fold to the same text are one value, written as it is labelled most often (on a tie, as first seen).
    Only text fields have forms: a date or amount is what stands in the text. Where ``aligned`` says where the values
    stand, a field has forms only if they bring something: if, with each document left out in turn, the usual writing
    is the label more often than the text that stands there, values that stand nowhere but are known counted in favour.
    Where labels are copies of their texts, it is not.

    Args:
        aligned: spans of each document's values, as :func:`training.data.align.align` gives them.
        least: similarity (0 to 100) from which a text with the same digits counts as a misreading of a known value.
    """
    known: dict[str, KnownValues] = {}
    for name, field in task.fields.items():
        if field.type != "text":
            continue
        writings: Mapping[str, Counter[str]] = defaultdict(Counter)
        for document in documents:
            for value in _labels(document, name):
                folded = fold_text(value)
                if folded:
                    writings[folded][value] += 1
        if aligned is not None and _gain(documents, aligned, name, writings, least) <= 0:
            continue
        known[name] = KnownValues(
            {folded: counts.most_common(1)[0][0] for folded, counts in sorted(writings.items())}, least
        )
    return Forms(known)


def _labels(document: LabelledDocument, name: str) -> list[str]:
    label = document.labels.get(name)
    return [value.strip() for value in ([label] if isinstance(label, str) else label or [])]


def _gain(
    documents: Sequence[LabelledDocument],
    aligned: Sequence[Mapping[str, Sequence[Span]]],
    name: str,
    writings: Mapping[str, Counter[str]],
    least: float,
) -> int:
    """Values that the writings in the other documents have right and the text that stands there has not, less those
    they have wrong where the text is right; and values that other documents have and this one's text has not."""
    usual = {folded: counts.most_common(1)[0][0] for folded, counts in sorted(writings.items())}
    gain = 0
    step = math.ceil(len(documents) / _JUDGED)
    for document, spans in list(zip(documents, aligned, strict=True))[::step]:
        labels = _labels(document, name)
        others = dict(usual)
        for folded in {fold_text(value) for value in labels} & writings.keys():
            counts = writings[folded] - Counter(labels)
            if counts:
                others[folded] = counts.most_common(1)[0][0]
            else:
                del others[folded]
        if name not in spans:
            gain += sum(others.get(fold_text(value)) == value for value in labels)
            continue
        known = KnownValues(others, least)
        for start, end in spans[name]:
            verbatim = " ".join(document.text[start:end].split())
            gain += (known.writing(verbatim) in labels) - (verbatim in labels)
    return gain
