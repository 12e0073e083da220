"""From scores to a choice: how many, from which end, and so that rare fields survive."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gateway.errors import ConfigurationError

Prefer = Literal["high", "low"]
PREFERENCES: tuple[str, ...] = get_args(Prefer)


def _order(scores: ArrayLike, prefer: Prefer, seed: int) -> NDArray[np.int64]:
    """Indices, the preferred first; ties in random order, so that the order of a file does not decide."""
    values = np.asarray(scores, np.float64)
    if prefer not in PREFERENCES:
        raise ConfigurationError(f"prefer must be one of {', '.join(PREFERENCES)}, found {prefer}")
    if values.ndim != 1 or np.isnan(values).any():
        raise ConfigurationError("choosing needs one score, a number, for every example")
    shuffled = np.random.default_rng(seed).permutation(len(values))
    ranked = values[shuffled] if prefer == "low" else -values[shuffled]
    return shuffled[np.argsort(ranked, kind="stable")]


def kept(size: int, keep: float) -> int:
    """How many a share of ``size`` examples is, rounded up.

    Raises:
        ConfigurationError: the share is not above 0 and at most 1.
    """
    if not 0 < keep <= 1:
        raise ConfigurationError(f"the share to keep must be above 0 and at most 1, found {keep:g}")
    return math.ceil(keep * size - 1e-9 * size)


def choose(scores: ArrayLike, keep: float, *, prefer: Prefer = "high", seed: int = 0) -> list[int]:
    """The best share of the examples by score, as sorted indices."""
    order = _order(scores, prefer, seed)
    return sorted(int(index) for index in order[: kept(len(order), keep)])


def choose_stratified(
    scores: ArrayLike,
    keep: float,
    fields: Sequence[Collection[str]],
    *,
    prefer: Prefer = "high",
    least: int = 10,
    seed: int = 0,
) -> list[int]:
    """The best share by score, in which every field keeps its share of examples and rare fields at least ``least``.

    From the rarest field to the most frequent, each takes the best of its examples until it has ceil(keep · count) of
    them, or ``least`` where that is more (all, where it has fewer); examples without any field count as one more field.
    What is left of the budget goes to the best of the rest. When the claims exceed the budget, rarer fields come first.

    Args:
        fields: for every example the fields that have a value in it.

    Returns:
        Sorted indices, exactly ``kept(n, keep)`` of them.
    """
    order = _order(scores, prefer, seed)
    if len(fields) != len(order):
        raise ConfigurationError(f"choosing: {len(order)} scores but the fields of {len(fields)} examples")
    budget = kept(len(order), keep)
    holders: dict[str, list[int]] = defaultdict(list)
    for index in order:
        for name in fields[index] or ("",):
            holders[name].append(int(index))
    chosen: set[int] = set()
    for name in sorted(holders, key=lambda item: (len(holders[item]), item)):
        members = holders[name]
        wanted = min(len(members), max(kept(len(members), keep), least))
        missing = wanted - sum(index in chosen for index in members)
        for index in members:
            if missing <= 0 or len(chosen) >= budget:
                break
            if index not in chosen:
                chosen.add(index)
                missing -= 1
    for index in order:
        if len(chosen) >= budget:
            break
        chosen.add(int(index))
    return sorted(chosen)


def random_scores(size: int, seed: int) -> NDArray[np.float64]:
    """Scores for a random choice, the peer of every method."""
    return np.random.default_rng(seed).random(size)


def ranks(scores: ArrayLike) -> NDArray[np.float64]:
    """Scores as ranks from 0 (least) to 1 (most); ties share the mean of their ranks."""
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or np.isnan(values).any():
        raise ConfigurationError("ranking needs one score, a number, for every example")
    unique, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    del unique
    ends = np.cumsum(counts)
    mean = ends - (counts + 1) / 2
    return mean[inverse] / max(1, len(values) - 1)


def combined(parts: Mapping[str, ArrayLike], weights: Mapping[str, float] | None = None) -> NDArray[np.float64]:
    """The weighted mean of several scores' ranks: what most of them call worth having comes first.

    Ranks, because the scores have different units. Turn a score round (minus the adversarial margin, say) where little
    of it means much.

    Raises:
        ConfigurationError: no scores, scores of different lengths, or a weight that is missing or negative.
    """
    if not parts:
        raise ConfigurationError("combining needs at least one score")
    shares = dict.fromkeys(parts, 1.0) if weights is None else dict(weights)
    if set(shares) != set(parts) or min(shares.values()) < 0 or sum(shares.values()) <= 0:
        raise ConfigurationError(f"combining: one weight, at least 0, is needed for each of {', '.join(parts)}")
    ranked = {name: ranks(scores) for name, scores in parts.items()}
    if len({len(values) for values in ranked.values()}) != 1:
        raise ConfigurationError("combining: the scores are of different numbers of examples")
    total = sum(shares.values())
    result: NDArray[np.float64] = np.sum([shares[name] / total * ranked[name] for name in parts], axis=0)
    return result


def with_randomness(scores: ArrayLike, share: float, seed: int = 0) -> NDArray[np.float64]:
    """Ranks in which a random ``share`` of the examples got a random place: a choice that cannot miss a whole region.

    Raises:
        ConfigurationError: the share is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ConfigurationError(f"the random share must be from 0 to 1, found {share:g}")
    result = ranks(scores)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(result), round(share * len(result)), replace=False)
    result[drawn] = rng.random(len(drawn))
    return result
