"""Fitting the combiners: small logistic regressions, with few labels kept from running wild.

A field has few labelled errors, so its weights are drawn towards weights fitted on all fields together: the penalty is
``strength / 2 · ‖w − w_pooled‖²`` (and ``strength / 2 · ‖w‖²`` for the pooled fit, intercepts free).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from gateway.combine import Combiner, absence_features, features
from gateway.evaluation.metrics import expected_values
from gateway.policy import Chain
from gateway.task import TaskSpec
from gateway.values import canonical
from training.calibrate.outputs import Observed

Rows = tuple[list[dict[str, float]], list[float]]


def rows(observed: Sequence[Observed], evidence: Chain, task: TaskSpec, name: str) -> Rows:
    """One row for every different answer that any tier of ``evidence`` proposes in an annotated document: its
    features, and 1 when it is right."""
    inputs: list[dict[str, float]] = []
    targets: list[float] = []
    kind = task.fields[name].type
    for item in observed:
        answers = {tier: item.answers(tier, task, name) for tier in evidence}
        distinct = {answer.key: answer for found in answers.values() for answer in found}
        for key, answer in distinct.items():
            right = item.judge(answer, task, name)
            if right is None:
                break
            valid = all(
                canonical(kind, candidate.value, options=task.options) is not None for candidate in answer.candidates
            )
            inputs.append(features(key, answers, valid=valid))
            targets.append(float(right))
    return inputs, targets


def absence_rows(observed: Sequence[Observed], evidence: Chain, task: TaskSpec, name: str) -> Rows:
    """One row for every annotated document: what the tiers found against absence, and 1 when the field is absent."""
    inputs: list[dict[str, float]] = []
    targets: list[float] = []
    for item in observed:
        expected = expected_values(task, item.document, name)
        if expected is not None:
            inputs.append(absence_features({tier: item.answers(tier, task, name) for tier in evidence}))
            targets.append(float(not expected))
    return inputs, targets


def _fit(
    matrix: NDArray[np.float64], targets: NDArray[np.float64], prior: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Penalised maximum likelihood; column 0 of ``matrix`` is the intercept's."""

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = matrix @ weights
        loss = float(np.logaddexp(0.0, logits).sum() - targets @ logits)
        difference = weights - prior
        difference[0] *= 0.1  # the intercept is nearly free
        gradient = matrix.T @ (expit(logits) - targets) + strength * difference
        return loss + 0.5 * strength * float(difference @ (weights - prior)), gradient

    found = minimize(objective, prior, jac=True, method="L-BFGS-B")
    solution: NDArray[np.float64] = found.x
    return solution


def fit_combiners(
    observed: Sequence[Observed], evidence: Chain, task: TaskSpec, *, strength: float = 10.0
) -> dict[str, Combiner]:
    """A combiner a field for exactly these tiers' evidence.

    Args:
        observed: documents that neither rules nor models were made from.
        strength: how strongly weights are drawn to the pooled ones.
    """
    return _fit_fields({name: rows(observed, evidence, task, name) for name in task.fields}, strength)


def fit_absence(
    observed: Sequence[Observed], evidence: Chain, task: TaskSpec, *, strength: float = 10.0, least: int = 5
) -> dict[str, Combiner]:
    """A combiner for the answer "absent", for each field whose labels know at least ``least`` documents with and
    ``least`` without a value: from fewer, absence cannot be learned."""
    per_field = {name: absence_rows(observed, evidence, task, name) for name in task.fields}
    known = {name: found for name, found in per_field.items() if least <= sum(found[1]) <= len(found[1]) - least}
    return _fit_fields(known, strength)


def _fit_fields(per_field: Mapping[str, Rows], strength: float) -> dict[str, Combiner]:
    names = sorted({key for inputs, _ in per_field.values() for row in inputs for key in row})
    if not names:
        return {}

    def matrix(inputs: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
        table = np.array([[row.get(name, 0.0) for name in names] for row in inputs], dtype=float)
        table = table.reshape(len(inputs), len(names))
        return np.hstack([np.ones((len(inputs), 1)), table])

    all_inputs = [row for inputs, _ in per_field.values() for row in inputs]
    all_targets = np.array([target for _, targets in per_field.values() for target in targets])
    pooled = _fit(matrix(all_inputs), all_targets, np.zeros(len(names) + 1), strength)
    combiners: dict[str, Combiner] = {}
    for field, (inputs, targets) in per_field.items():
        weights = _fit(matrix(inputs), np.array(targets), pooled, strength) if inputs else pooled
        combiners[field] = Combiner(
            float(round(weights[0], 6)),
            {
                name: float(round(weight, 6))
                for name, weight in zip(names, weights[1:], strict=True)
                # Sources of other fields' rules never occur here.
                if not name.startswith("by.") or any(name in row for row in inputs)
            },
        )
    return combiners
