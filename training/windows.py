"""Making windows.json: which windows of long documents hold values, learned from the training part; and which windows
models learn from."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from gateway.document import Span
from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec
from gateway.tiers.encoding import TextEncoder, Window
from gateway.tiers.windows import FieldWindows, WindowChooser, places_of, words_of

#: Fewer long documents teach nothing that holds for others; then every window is read.
LEAST_DOCUMENTS = 50
#: A word in fewer windows than this is no evidence.
LEAST_WINDOWS = 20
FOLDS = 5


@dataclass(frozen=True)
class FieldReport:
    """How a field's windows are found in training documents that the model had not seen (cross-validation).

    ``values``: labelled values in long documents; ``reached``: share of them that stand in a window that is read;
    ``read``: share of all windows that are read for this field.
    """

    values: int
    reached: float
    read: float


def character_windows(encoder: TextEncoder, document: LabelledDocument) -> tuple[list[Window], list[Span]]:
    """A document's windows, and the characters of each."""
    encoding = encoder.encode(document.text, document.context)
    windows = encoder.windows(encoding)
    return windows, encoding.characters(windows)


def learn_windows(
    documents: Sequence[LabelledDocument],
    aligned: Sequence[Mapping[str, Sequence[Span]]],
    fields: Sequence[FieldSpec],
    encoder: TextEncoder,
    *,
    recall: float,
    from_windows: int = 3,
    seed: int = 0,
) -> tuple[WindowChooser | None, dict[str, FieldReport]]:
    """A chooser whose thresholds reach the share ``recall`` of the values in documents left out of the fit.

    A value is reached when one window that holds it whole is read; the same text elsewhere in the document counts. A
    field with too few values has no model, so that where it is asked for everything is read.

    Args:
        aligned: spans of each document's values, as :func:`training.data.align.align` gives them.

    Returns:
        The chooser, ``None`` where too few documents are long; and a report a field.
    """
    features: list[dict[str, float]] = []
    groups: list[int] = []
    long: list[tuple[int, list[Span], range]] = []
    for index, document in enumerate(documents):
        _, windows = character_windows(encoder, document)
        if len(windows) < from_windows:
            continue
        rows = range(len(features), len(features) + len(windows))
        for position, window in enumerate(windows):
            places = places_of(window, len(document.text), first=position == 0, last=position == len(windows) - 1)
            features.append(
                {f"w:{word}": 1.0 for word in words_of(document.text[slice(*window)])}
                | {f"p:{place}": 1.0 for place in places}
            )
        groups += [index] * len(windows)
        long.append((index, windows, rows))
    if len(long) < LEAST_DOCUMENTS:
        return None, {}
    vectorizer = DictVectorizer(dtype=np.float32)
    matrix = vectorizer.fit_transform(features)
    names = vectorizer.get_feature_names_out()
    common = np.asarray(matrix.sum(axis=0)).ravel() >= LEAST_WINDOWS
    matrix, names = matrix[:, common].tocsr(), names[common]
    models: dict[str, FieldWindows] = {}
    reports: dict[str, FieldReport] = {}
    for field in fields:
        values = [
            holding
            for index, windows, rows in long
            for holding in _values(documents[index].text, aligned[index].get(field.name, ()), windows, rows)
        ]
        target = np.zeros(len(features), dtype=bool)
        # Of a list's item, where it first stands: names come back on every page, and there they are introduced.
        target[[row for holding in values for row in (holding[:1] if field.many else holding)]] = True
        if len(values) < LEAST_DOCUMENTS or target.all():
            continue
        held_out = _cross_validated(matrix, target, np.array(groups), seed)
        ranks = np.concatenate([_ranks(held_out[rows.start : rows.stop]) for _, _, rows in long])
        least, most = _cheapest(held_out, ranks, values, recall)
        fitted = _fit(matrix, target, seed)
        weights = {
            str(key): round(float(weight), 4) for key, weight in zip(names, fitted.coef_[0], strict=True) if weight
        }
        models[field.name] = FieldWindows(
            round(float(fitted.intercept_[0]), 4),
            {key[2:]: weight for key, weight in weights.items() if key.startswith("w:")},
            {key[2:]: weight for key, weight in weights.items() if key.startswith("p:")},
            least,
            most,
        )
        read = ((held_out >= least) & (ranks < most)) | (ranks == 0)
        reached = float(np.mean([read[holding].any() for holding in values]))
        reports[field.name] = FieldReport(len(values), round(reached, 4), round(float(read.mean()), 4))
    return (WindowChooser(models, from_windows) if models else None), reports


def _ranks(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """0 for the most probable window of a document, 1 for the next; of equal ones the first."""
    ranks = np.empty(len(probabilities), dtype=np.int64)
    ranks[np.argsort(-probabilities, kind="stable")] = np.arange(len(probabilities))
    return ranks


def _cheapest(
    probabilities: NDArray[np.float64], ranks: NDArray[np.int64], values: Sequence[Sequence[int]], recall: float
) -> tuple[float, int]:
    """The least probability and the greatest number of windows that read least and still reach ``recall`` of the
    values."""
    choices: list[tuple[float, float, int]] = []
    for most in range(1, int(ranks.max()) + 2):
        best = np.sort(
            [max((probabilities[row] for row in holding if ranks[row] < most), default=-1.0) for holding in values]
        )
        least = float(best[math.floor((1.0 - recall) * len(best))])
        if least < 0:
            continue
        # Rounded down, so that the window that set it is read.
        least = math.floor(least * 1e6) / 1e6
        choices.append((float(np.mean((probabilities >= least) & (ranks < most))), least, most))
    _, least, most = min(choices)
    return least, most


def _values(text: str, spans: Sequence[Span], windows: Sequence[Span], rows: range) -> list[list[int]]:
    """For each different value, the rows of the windows that hold it whole."""
    by_value: dict[str, list[Span]] = {}
    for start, end in spans:
        by_value.setdefault(text[start:end].casefold(), []).append((start, end))
    found: list[list[int]] = []
    for value, stands in by_value.items():
        holding = [
            row
            for row, window in zip(rows, windows, strict=True)
            if any(window[0] <= start and end <= window[1] for start, end in stands)
            or value in text[slice(*window)].casefold()
        ]
        if holding:
            found.append(holding)
    return found


def _fit(matrix: object, target: NDArray[np.bool_], seed: int) -> LogisticRegression:
    # The lasso leaves some dozens of words a field: fast to apply, and to be read by people.
    model = LogisticRegression(C=0.1, l1_ratio=1.0, solver="liblinear", max_iter=200, random_state=seed)
    return model.fit(matrix, target)


def _cross_validated(
    matrix: object, target: NDArray[np.bool_], groups: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Each window's probability by a model that saw no window of its document."""
    held_out = np.zeros(len(target))
    for rest, fold in GroupKFold(FOLDS).split(target, target, groups):
        if target[rest].any() and not target[rest].all():
            held_out[fold] = _fit(matrix[rest], target[rest], seed).predict_proba(matrix[fold])[:, 1]  # type: ignore[index]
    return held_out


def windows_to_learn_from(
    windows: Sequence[Window],
    spans: Mapping[str, Sequence[tuple[int, int]]],
    characters: Sequence[Span],
    read: Collection[int],
    negatives: float,
    rng: np.random.Generator,
) -> list[int]:
    """Indices of the windows of one document that a model learns from, in order.

    All that hold a value; all that serving would read; and of the others, drawn at random, ``negatives`` times as many
    as hold a value, so that the model has also seen what it will not be shown.

    Args:
        spans: the document's values. characters: of each window. read: what the chooser reads.
    """
    every = range(len(windows))
    holding = {
        index
        for index in every
        if any(
            characters[index][0] < end and start < characters[index][1]
            for found in spans.values()
            for start, end in found
        )
    }
    kept = holding | set(read)
    others = [index for index in every if index not in kept]
    drawn = rng.permutation(len(others))[: round(negatives * max(1, len(holding)))]
    return sorted(kept | {others[index] for index in drawn})
