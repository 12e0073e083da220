"""Fitting the combiners: small logistic regressions, with few labels kept from running wild.

A field has few labelled errors, so its weights are drawn towards weights fitted on all fields together: the penalty is
``strength / 2 · ‖w − w_pooled‖²`` (and ``strength / 2 · ‖w‖²`` for the pooled fit, intercepts nearly free). The
strength is chosen by cross-validation on the fitting documents, whole groups (merchants) at a time
(:func:`choose_strength`).

Rules were written while looking at training documents, and are right there more often than elsewhere. In documents
that rules have *seen* every feature of theirs comes twice, the second time as ``seen.…`` with a weight of its own,
which takes up what is particular to those documents and is then thrown away (Daumé 2007, "Frustratingly easy domain
adaptation").
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from gateway.combine import Combiner, absence_features, features, nominees
from gateway.evaluation.metrics import expected_values
from gateway.policy import Chain
from gateway.task import TaskSpec
from gateway.values import canonical
from training.calibrate.outputs import Observed

#: Strengths that :func:`choose_strength` tries.
STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
#: The strength where there are too few groups to choose one.
STRENGTH = 30.0
_FOLDS = 5
_SEEN = "seen."

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """What a combiner learns from: each answer's features, 1.0 when it is right, the number of its document, and
    whether a tier puts it forward (:func:`gateway.combine.nominees`)."""

    inputs: list[dict[str, float]]
    targets: list[float]
    documents: list[int]
    nominated: list[bool]


def _with_seen(values: dict[str, float], seen: bool) -> dict[str, float]:
    """The features, and where rules have seen the document those that rules have a part in once more."""
    if not seen:
        return values
    more = {
        f"{_SEEN}{name}": value
        for name, value in values.items()
        if name.startswith(("rules.", "by.")) or name == "agree"
    }
    return {**values, **more} if any(name.startswith(f"{_SEEN}rules.") for name in more) else values


def rows(observed: Sequence[Observed], evidence: Chain, task: TaskSpec, name: str, seen: Collection[str] = ()) -> Rows:
    """One row for every different answer that any tier of ``evidence`` proposes in an annotated document."""
    found = Rows([], [], [], [])
    kind = task.fields[name].type
    for number, item in enumerate(observed):
        answers = {tier: item.answers(tier, task, name) for tier in evidence}
        forward = {answer.key for answer in nominees(answers, kind, options=task.options).values()}
        distinct = {answer.key: answer for proposed in answers.values() for answer in proposed}
        for key, answer in distinct.items():
            right = item.judge(answer, task, name)
            if right is None:
                break
            valid = all(
                canonical(kind, candidate.value, options=task.options) is not None for candidate in answer.candidates
            )
            found.inputs.append(_with_seen(features(key, answers, valid=valid), item.document.id in seen))
            found.targets.append(float(right))
            found.documents.append(number)
            found.nominated.append(key in forward)
    return found


def absence_rows(
    observed: Sequence[Observed], evidence: Chain, task: TaskSpec, name: str, seen: Collection[str] = ()
) -> Rows:
    """One row for every annotated document: what the tiers found against absence, and 1 when the field is absent."""
    found = Rows([], [], [], [])
    for number, item in enumerate(observed):
        expected = expected_values(task, item.document, name)
        if expected is not None:
            values = absence_features({tier: item.answers(tier, task, name) for tier in evidence})
            found.inputs.append(_with_seen(values, item.document.id in seen))
            found.targets.append(float(not expected))
            found.documents.append(number)
            found.nominated.append(True)
    return found


def _objective(matrix: Floats, targets: Floats, weights: Floats, difference: Floats, penalty: Floats) -> float:
    logits = matrix @ weights
    return float(np.logaddexp(0.0, logits).sum() - targets @ logits + 0.5 * (penalty * difference**2).sum())


def _fit(matrix: Floats, targets: Floats, prior: Floats, strength: float) -> Floats:
    """Penalised maximum likelihood by Newton's method; column 0 of ``matrix`` is the intercept's."""
    penalty = np.full(matrix.shape[1], strength)
    penalty[0] *= 0.1  # the intercept is nearly free
    weights = prior.copy()
    value = _objective(matrix, targets, weights, weights - prior, penalty)
    for _ in range(100):
        expected = expit(matrix @ weights)
        gradient = matrix.T @ (expected - targets) + penalty * (weights - prior)
        if np.abs(gradient).max() < 1e-7:
            break
        curvature = (matrix.T * (expected * (1 - expected))) @ matrix + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        share = 1.0
        while share > 1e-6:
            tried = weights - share * step
            lower = _objective(matrix, targets, tried, tried - prior, penalty)
            if lower <= value - 1e-4 * share * float(gradient @ step):
                break
            share /= 2
        else:
            break  # no step lowers it any further: it is as low as numbers allow
        weights, value = tried, lower
    return weights


class _Tables:
    """The rows of several fields as matrices with the same columns; ``documents`` numbers the document of each row."""

    def __init__(self, per_field: Mapping[str, Rows]) -> None:
        self.rows = per_field
        self.names = sorted({key for found in per_field.values() for row in found.inputs for key in row})
        self.matrices = {field: self._matrix(found.inputs) for field, found in per_field.items()}
        self.targets = {field: np.array(found.targets, dtype=float) for field, found in per_field.items()}
        self.documents = {field: np.array(found.documents, dtype=int) for field, found in per_field.items()}

    def _matrix(self, inputs: Sequence[Mapping[str, float]]) -> Floats:
        column = {name: number for number, name in enumerate(self.names, start=1)}
        matrix = np.zeros((len(inputs), len(self.names) + 1))
        matrix[:, 0] = 1.0
        for number, row in enumerate(inputs):
            for name, value in row.items():
                matrix[number, column[name]] = value
        return matrix

    def fit(self, strength: float, left_out: NDArray[np.int_] | None = None) -> dict[str, Floats]:
        """Weights by field, learned from all documents but those left out."""
        used = {
            field: np.ones(len(of), dtype=bool) if left_out is None else ~np.isin(of, left_out)
            for field, of in self.documents.items()
        }
        matrices = {field: matrix[used[field]] for field, matrix in self.matrices.items()}
        targets = {field: found[used[field]] for field, found in self.targets.items()}
        start = np.zeros(len(self.names) + 1)
        pooled = _fit(np.concatenate([*matrices.values()]), np.concatenate([*targets.values()]), start, strength)
        return {
            field: _fit(matrices[field], targets[field], pooled, strength) if len(targets[field]) else pooled
            for field in self.rows
        }

    def loss(self, weights: Mapping[str, Floats], of: NDArray[np.int_]) -> float:
        """Summed log loss of the answers put forward in these documents."""
        total = 0.0
        for field, found in self.rows.items():
            chosen = np.isin(self.documents[field], of) & np.array(found.nominated, dtype=bool)
            logits = self.matrices[field][chosen] @ weights[field]
            total += float((np.logaddexp(0.0, logits) - self.targets[field][chosen] * logits).sum())
        return total


def choose_strength(
    observed: Sequence[Observed],
    chains: Sequence[Chain],
    task: TaskSpec,
    *,
    seen: Collection[str] = (),
    groups: Mapping[str, str] | None = None,
    most: int = 2000,
    seed: int = 0,
) -> tuple[float, dict[float, float]]:
    """The strength whose combiners state the most fitting probabilities for groups that they did not learn from.

    Args:
        observed: the fitting documents, at most ``most`` of which are used.
        chains: the evidence that combiners are fitted for; their losses are summed.
        seen: ids of documents that rules were written on.
        groups: document id to group (merchant); a document without one is a group of its own.

    Returns:
        The strength, and the mean log loss of each one tried; :data:`STRENGTH` and nothing for fewer than ten groups.
    """
    group_of = [(groups or {}).get(item.document.id, item.document.id) for item in observed]
    distinct = sorted(set(group_of))
    if len(distinct) < 2 * _FOLDS:
        return STRENGTH, {}
    rng = random.Random(seed)
    rng.shuffle(distinct)
    fold_of = {group: number % _FOLDS for number, group in enumerate(distinct)}
    kept = sorted(rng.sample(range(len(observed)), min(most, len(observed))))
    observed = [observed[number] for number in kept]
    folds = np.array([fold_of[group_of[number]] for number in kept])
    totals = dict.fromkeys(STRENGTHS, 0.0)
    count = 0
    for chain in chains:
        tables = _Tables({name: rows(observed, chain, task, name, seen) for name in task.fields})
        if not tables.names:
            continue
        count += sum(sum(found.nominated) for found in tables.rows.values())
        for fold in range(_FOLDS):
            held_out = np.flatnonzero(folds == fold)
            for strength in STRENGTHS:
                totals[strength] += tables.loss(tables.fit(strength, held_out), held_out)
    if not count:
        return STRENGTH, {}
    losses = {strength: total / count for strength, total in totals.items()}
    return min(losses, key=lambda strength: losses[strength]), losses


def fit_combiners(
    observed: Sequence[Observed],
    evidence: Chain,
    task: TaskSpec,
    *,
    strength: float = STRENGTH,
    seen: Collection[str] = (),
) -> dict[str, Combiner]:
    """A combiner a field for exactly these tiers' evidence.

    Args:
        observed: documents that no model whose outputs they carry was made from.
        strength: how strongly weights are drawn to the pooled ones.
        seen: ids of those among them that rules were written on.
    """
    return _fit_fields({name: rows(observed, evidence, task, name, seen) for name in task.fields}, strength)


def fit_absence(
    observed: Sequence[Observed],
    evidence: Chain,
    task: TaskSpec,
    *,
    strength: float = STRENGTH,
    seen: Collection[str] = (),
    least: int = 5,
) -> dict[str, Combiner]:
    """A combiner for the answer "absent", for each field whose labels know at least ``least`` documents with and
    ``least`` without a value: from fewer, absence cannot be learned."""
    per_field = {name: absence_rows(observed, evidence, task, name, seen) for name in task.fields}
    known = {
        name: found for name, found in per_field.items() if least <= sum(found.targets) <= len(found.targets) - least
    }
    return _fit_fields(known, strength)


def _fit_fields(per_field: Mapping[str, Rows], strength: float) -> dict[str, Combiner]:
    tables = _Tables(per_field)
    if not tables.names:
        return {}
    combiners: dict[str, Combiner] = {}
    for field, weights in tables.fit(strength).items():
        inputs = per_field[field].inputs
        combiners[field] = Combiner(
            float(round(weights[0], 6)),
            {
                name: float(round(weight, 6))
                for name, weight in zip(tables.names, weights[1:], strict=True)
                # Documents to come were seen by no rule, and sources of other fields' rules never occur here.
                if not name.startswith(_SEEN) and (not name.startswith("by.") or any(name in row for row in inputs))
            },
        )
    return combiners
