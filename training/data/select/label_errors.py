"""Labels that are probably wrong, to be looked at first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gateway.errors import ConfigurationError


@dataclass(frozen=True)
class Candidate:
    """An example whose label is doubted: the class given, the class suggested, and by how much that one is ahead of it
    (probability of the suggested class minus probability of the given one).
    """

    index: int
    given: int
    suggested: int
    margin: float


def label_errors(probabilities: ArrayLike, labels: ArrayLike) -> list[Candidate]:
    """Candidates, the surest first.

    A class is believed in an example when its probability reaches the mean that the class has among the examples
    labelled with it. An example is a candidate when the most probable of the believed classes is not its label. Class
    thresholds of their own keep rare and hard classes from being suspected as a whole.

    Args:
        probabilities: ``[n, C]`` from models that have *not* seen the example's label (out of fold).
        labels: ``[n]`` classes.

    Source: Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels".
    """
    given, wanted = np.asarray(probabilities, np.float64), np.asarray(labels, np.int64)
    if given.ndim != 2 or wanted.shape != given.shape[:1]:
        raise ConfigurationError(f"label errors: probabilities {given.shape} do not fit labels {wanted.shape}")
    classes = given.shape[1]
    # A class that nobody is labelled with is believed only when certain.
    thresholds = np.array(
        [given[wanted == name, name].mean() if (wanted == name).any() else 1.0 for name in range(classes)]
    )
    believed = np.where(given >= thresholds, given, -1.0)
    suggested = believed.argmax(axis=1)
    doubted = np.flatnonzero((believed.max(axis=1) >= 0) & (suggested != wanted))
    margins = given[doubted, suggested[doubted]] - given[doubted, wanted[doubted]]
    found = [
        Candidate(int(index), int(wanted[index]), int(suggested[index]), float(margin))
        for index, margin in zip(doubted, margins, strict=True)
    ]
    return sorted(found, key=lambda candidate: (-candidate.margin, candidate.index))
