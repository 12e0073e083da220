"""Active learning, simulated: labels that are known are uncovered in the order in which a method asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gateway.errors import ConfigurationError

Model = TypeVar("Model")


@dataclass(frozen=True)
class Round:
    """One round: how many labels were known, and how good the model that learned from them is."""

    labels: int
    quality: float
    chosen: tuple[int, ...]


@dataclass(frozen=True)
class Simulation(Generic[Model]):
    """What a simulation needs of the world.

    ``train(indices, round)`` gives a model that has learned from these examples; ``evaluate(model)`` its quality on
    documents kept apart; ``scores(model, indices, round)`` how much each of these examples is worth a label (high
    first).
    """

    size: int
    train: Callable[[Sequence[int], int], Model]
    evaluate: Callable[[Model], float]
    scores: Callable[[Model, Sequence[int], int], ArrayLike]


def simulate(
    world: Simulation[Model], *, first: int, each: int, rounds: int, seed: int = 0, start: Sequence[int] = ()
) -> list[Round]:
    """Label ``first`` random examples (or ``start``), then in each round the ``each`` that the model asks for.

    With the same seed different methods start from the same examples, so that they can be compared in pairs.

    Raises:
        ConfigurationError: the numbers do not fit the pool.
    """
    if not (1 <= first <= world.size and each >= 1 and rounds >= 0):
        raise ConfigurationError(
            f"active learning: first must be from 1 to {world.size}, each at least 1 and rounds at least 0"
        )
    rng = np.random.default_rng(seed)
    known = [int(index) for index in (start or rng.choice(world.size, first, replace=False))]
    if len(set(known)) != len(known):
        raise ConfigurationError("active learning: an example stands twice in the start")
    added = tuple(known)
    history: list[Round] = []
    for number in range(rounds + 1):
        model = world.train(tuple(known), number)
        history.append(Round(len(known), world.evaluate(model), added))
        taken = set(known)
        pool = [index for index in range(world.size) if index not in taken]
        if number == rounds or not pool:
            break
        worth = np.asarray(world.scores(model, pool, number), np.float64)
        if worth.shape != (len(pool),) or np.isnan(worth).any():
            raise ConfigurationError(f"active learning: {len(pool)} examples but scores of shape {worth.shape}")
        order = rng.permutation(len(pool))
        best = order[np.argsort(-worth[order], kind="stable")][:each]
        added = tuple(pool[index] for index in best)
        known += added
    return history


def labels_to_reach(history: Sequence[Round], quality: float) -> float | None:
    """Labels after which a quality was reached for good, by straight lines between rounds; ``None``: never."""
    reached: float | None = None
    for place in range(len(history) - 1, -1, -1):
        current = history[place]
        if current.quality < quality:
            if reached is not None:
                following = history[place + 1]
                part = (quality - current.quality) / (following.quality - current.quality)
                return current.labels + part * (following.labels - current.labels)
            return None
        reached = float(current.labels)
    return reached
