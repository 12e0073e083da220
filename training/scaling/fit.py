"""Fitting the scaling law to points: robust loss, many starts, bootstrap intervals."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from gateway.errors import ConfigurationError
from training.scaling.law import ScalingLaw
from training.scaling.points import Points

#: Where Huber's loss turns from squared to linear, in units of log loss.
HUBER_DELTA = 1e-3
#: The starts of Hoffmann et al. 2022, appendix D.3: a, b, e are the logarithms of A, B, E.
GRID = {
    "alpha": (0.0, 0.5, 1.0, 1.5, 2.0),
    "beta": (0.0, 0.5, 1.0, 1.5, 2.0),
    "e": (-1.0, -0.5, 0.0, 0.5, 1.0),
    "a": (0.0, 5.0, 10.0, 15.0, 20.0, 25.0),
    "b": (0.0, 5.0, 10.0, 15.0, 20.0, 25.0),
}
LEAST_POINTS, LEAST_KINDS = 6, 3
#: Steps of L-BFGS from every start, steps of the best ones, and how many those are.
COARSE, FINE, POLISHED = 60, 1000, 3
#: Sums of losses are tiny (1e-3), and L-BFGS compares a step's gain with max(|f|, 1): in these units it does not stop
#: short of the optimum.
_SCALE = HUBER_DELTA**2

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A fitted law.

    ``objective``: sum of Huber losses at the optimum. ``bootstrap``: laws fitted to resampled points; ``failed``:
    resamples to which no law could be fitted.
    """

    law: ScalingLaw
    objective: float
    points: int
    bootstrap: tuple[ScalingLaw, ...] = ()
    failed: int = 0

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """Percentile interval of a constant (``E``, ``A``, ``B``, ``alpha``, ``beta``) over the bootstrap fits.

        Raises:
            ConfigurationError: the fit was made without bootstrap.
        """
        return self._quantiles(np.array([getattr(law, name) for law in self.bootstrap]), confidence)

    def predicted(self, parameters: float, tokens: float, confidence: float = 0.95) -> tuple[float, float]:
        """Percentile interval of the law's loss at one size and amount of data.

        It covers the uncertainty of the constants, not the scatter of single runs around the law.
        """
        return self._quantiles(np.array([law.loss(parameters, tokens) for law in self.bootstrap]), confidence)

    def _quantiles(self, values: Vector, confidence: float) -> tuple[float, float]:
        if not len(values):
            raise ConfigurationError("this scaling law was fitted without bootstrap; it has no intervals")
        tail = (1 - confidence) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return float(low), float(high)


class _Objective:
    """Sum of Huber losses of log L(N, D) − log loss, and its gradient.

    The parameters are (a, b, e, α, β) with a and b taken at the points' mean log N and log D: a and α, b and β then
    hardly depend on each other, and L-BFGS needs a tenth of the steps.
    """

    def __init__(self, points: Points) -> None:
        log_parameters, log_tokens = np.log(points.parameters), np.log(points.tokens)
        self.centre_parameters, self.centre_tokens = float(log_parameters.mean()), float(log_tokens.mean())
        self._log_parameters = log_parameters - self.centre_parameters
        self._log_tokens = log_tokens - self.centre_tokens
        self._log_loss = np.log(points.loss)

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        a, b, e, alpha, beta = vector
        by_size, by_data = a - alpha * self._log_parameters, b - beta * self._log_tokens
        top = np.maximum(np.maximum(by_size, by_data), e)
        by_size, by_data, floor = np.exp(by_size - top), np.exp(by_data - top), np.exp(e - top)
        total = by_size + by_data + floor
        residual = top + np.log(total) - self._log_loss
        # Huber's derivative; and its value, ½ r² or δ (|r| − ½ δ), written with it.
        slope = np.clip(residual, -HUBER_DELTA, HUBER_DELTA)
        value = slope @ (residual - 0.5 * slope)
        weight = slope / total
        size_weight, data_weight = by_size * weight, by_data * weight
        gradient = np.array(
            [
                size_weight.sum(),
                data_weight.sum(),
                floor @ weight,
                -(size_weight @ self._log_parameters),
                -(data_weight @ self._log_tokens),
            ]
        )
        return float(value) / _SCALE, gradient / _SCALE

    def centred(self, a: float, b: float, e: float, alpha: float, beta: float) -> Vector:
        return np.array([a - alpha * self.centre_parameters, b - beta * self.centre_tokens, e, alpha, beta])

    def vector(self, law: ScalingLaw) -> Vector:
        return self.centred(np.log(law.A), np.log(law.B), np.log(max(law.E, 1e-300)), law.alpha, law.beta)

    def law(self, vector: Vector) -> ScalingLaw | None:
        """The law of a vector, or ``None`` where loss does not fall with size and data."""
        a, b, e, alpha, beta = vector
        if not (np.isfinite(vector).all() and alpha > 0 and beta > 0):
            return None
        with np.errstate(over="ignore", under="ignore"):
            E, A, B = np.exp([e, a + alpha * self.centre_parameters, b + beta * self.centre_tokens])
        if not (min(A, B) > 0 and max(E, A, B) < np.inf):
            return None
        return ScalingLaw(float(E), float(A), float(B), float(alpha), float(beta))


def _descend(objective: _Objective, start: Vector, iterations: int) -> tuple[float, Vector]:
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-12, "gtol": 1e-5, "maxcor": 20},
    )
    return float(found.fun), np.asarray(found.x, np.float64)


def _starts(objective: _Objective, count: int) -> list[Vector]:
    """Half of them the grid's best, half spread evenly over the rest, so that one valley cannot take them all."""
    grid = [
        objective.centred(*start)
        for start in itertools.product(GRID["a"], GRID["b"], GRID["e"], GRID["alpha"], GRID["beta"])
    ]
    grid.sort(key=lambda start: objective(start)[0])
    if count >= len(grid):
        return grid
    best = grid[: (count + 1) // 2]
    rest = grid[len(best) :]
    spread = np.linspace(0, len(rest) - 1, count - len(best)).round().astype(int)
    return best + [rest[index] for index in spread]


def _best(objective: _Objective, starts: list[Vector]) -> tuple[float, ScalingLaw] | None:
    """The lowest optimum that is a law: coarse descents from all starts, then the best few to the end."""
    coarse = sorted((_descend(objective, start, COARSE) for start in starts), key=lambda found: found[0])
    fine = sorted((_descend(objective, found, FINE) for _, found in coarse[:POLISHED]), key=lambda found: found[0])
    for value, vector in [*fine, *coarse[POLISHED:]]:
        law = objective.law(vector)
        if law is not None:
            return value * _SCALE, law
    return None


def objective_of(law: ScalingLaw, points: Points) -> float:
    """The sum of Huber losses that a fit minimises, for any law."""
    objective = _Objective(points)
    return objective(objective.vector(law))[0] * _SCALE


def fit(
    points: Points, *, starts: int = 100, bootstrap: int = 0, seed: int = 0, groups: Sequence[Hashable] | None = None
) -> Fit:
    """Fit E, A, B, α and β by the sum over points of Huber(log L(N, D) − log loss), δ = 1e-3.

    Every start of the paper's grid of 4,500 is evaluated, ``starts`` of them are followed by L-BFGS. The sum matters:
    the mean makes the objective so small that L-BFGS stops short of the optimum, which is what happened in the paper.

    Args:
        bootstrap: how many times the points are drawn anew, with replacement, and fitted again from the estimate.
        groups: for every point what it belongs to; points of one group (seeds of one run, say) are drawn together. By
            default each stands alone.

    Raises:
        ConfigurationError: fewer than 6 points, fewer than 3 sizes or amounts of data, or no law with falling loss.

    Sources: Hoffmann et al. 2022, appendix D.3; Besiroglu et al. 2024, "Chinchilla Scaling: A replication attempt".
    """
    if starts < 1 or bootstrap < 0:
        raise ConfigurationError("a fit needs at least 1 start and at least 0 bootstrap draws")
    kinds = len(np.unique(points.parameters)), len(np.unique(points.tokens))
    if len(points) < LEAST_POINTS or min(kinds) < LEAST_KINDS:
        raise ConfigurationError(
            f"five constants need at least {LEAST_POINTS} points with {LEAST_KINDS} sizes and {LEAST_KINDS} amounts of"
            f" data; there are {len(points)} with {kinds[0]} and {kinds[1]}"
        )
    objective = _Objective(points)
    found = _best(objective, _starts(objective, starts))
    if found is None:
        raise ConfigurationError("no scaling law fits: in these points loss does not fall with both size and data")
    value, law = found
    rng = np.random.default_rng(seed)
    names = list(range(len(points)) if groups is None else groups)
    if len(names) != len(points):
        raise ConfigurationError(f"a fit of {len(points)} points needs as many groups, found {len(names)}")
    members = [np.flatnonzero([name == own for name in names]) for own in dict.fromkeys(names)]
    laws: list[ScalingLaw] = []
    for _ in range(bootstrap):
        chosen = [members[index] for index in rng.integers(0, len(members), len(members))]
        drawn = _Objective(points.take(np.concatenate(chosen)))
        again = _best(drawn, [drawn.vector(law)])
        if again is not None:
            laws.append(again[1])
    return Fit(law, value, len(points), tuple(laws), bootstrap - len(laws))
