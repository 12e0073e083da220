"""The combined filter: an ensemble of standard and probabilistic models, adversarial margin and randomness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.data.select.choose import combined, with_randomness
from training.data.select.scores import mutual_information, vote_entropy


@dataclass(frozen=True)
class FilterWeights:
    """How much each opinion counts, and which share of the examples gets a random place.

    ``ensemble``: standard models of several seeds disagree in their votes. ``probabilistic``: one model answers several
    times with its randomness on (dropout), and the answers differ. ``adversarial``: a small change flips the answer.
    """

    ensemble: float = 1.0
    probabilistic: float = 1.0
    adversarial: float = 1.0
    randomness: float = 0.1


def combined_filter(
    *,
    standard: ArrayLike | None = None,
    probabilistic: ArrayLike | None = None,
    margins: ArrayLike | None = None,
    weights: FilterWeights | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """One score an example, from 0 to 1; high: worth a label, or worth keeping.

    The opinions that are given are turned into ranks and averaged by their weights; then a share of the examples gets a
    random place.

    Args:
        standard: ``[models, n, C]`` probabilities of separately trained models.
        probabilistic: ``[answers, n, C]`` probabilities of one model's random answers.
        margins: ``[n]`` of :func:`training.data.select.adversarial.adversarial_margin`.

    Raises:
        ConfigurationError: nothing is given, or shapes do not fit.
    """
    chosen = weights or FilterWeights()
    parts: dict[str, NDArray[np.float64]] = {}
    shares: dict[str, float] = {}
    if standard is not None:
        # Votes of few models tie often; how far the models are apart settles it.
        apart = mutual_information(standard)
        parts["ensemble"] = vote_entropy(standard) + 1e-3 * apart
        shares["ensemble"] = chosen.ensemble
    if probabilistic is not None:
        parts["probabilistic"] = mutual_information(probabilistic)
        shares["probabilistic"] = chosen.probabilistic
    if margins is not None:
        parts["adversarial"] = -np.asarray(margins, np.float64)
        shares["adversarial"] = chosen.adversarial
    return with_randomness(combined(parts, shares), chosen.randomness, seed)
