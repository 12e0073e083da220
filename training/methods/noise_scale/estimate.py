"""The gradient noise scale: the batch size above which more examples an update bring less and less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import ConfigurationError


@dataclass(frozen=True)
class Moments:
    """Unbiased estimates from one update: |G|², the squared norm of the true gradient, and tr Σ, the variance of one
    example's gradient, summed over parameters. One update's estimates are noisy; |G|² may even be negative.
    """

    gradient_squared: float
    trace: float


def moments(
    squared_norms: Sequence[float],
    examples: Sequence[float],
    mean_squared_norm: float,
    shares: Sequence[float] | None = None,
) -> Moments:
    """|G|² and tr Σ from all micro-batches of one update.

    The mean gradient gᵢ of bᵢ examples has E|gᵢ|² = |G|² + tr Σ / bᵢ. The update's gradient is their mean with weights
    wᵢ, so E Σ(wᵢ|gᵢ|²) = |G|² + tr Σ · Σ(wᵢ/bᵢ) and E|g|² = |G|² + tr Σ · Σ(wᵢ²/bᵢ). Two equations, two unknowns; using
    every micro-batch, not only one, makes the first as certain as the data allow.

    Args:
        squared_norms: |gᵢ|² of every micro-batch's own mean gradient.
        examples: bᵢ.
        mean_squared_norm: |g|² of the mean of the micro-batches' gradients.
        shares: wᵢ, above 0 and summing to 1; by default 1/n each.

    Raises:
        ConfigurationError: fewer than 2 micro-batches, or one without examples or with no share.

    Source: McCandlish, Kaplan, Amodei et al. 2018, "An Empirical Model of Large-Batch Training", appendix A.1.
    """
    count = len(squared_norms)
    if count < 2 or len(examples) != count:
        raise ConfigurationError(f"the noise scale needs at least 2 micro-batches an update, found {count}")
    if min(examples) <= 0 or (shares is not None and min(shares) <= 0):
        raise ConfigurationError("the noise scale needs micro-batches of at least 1 example, each with a share")
    weights = [1 / count] * count if shares is None else shares
    inverse = sum(weight / size for weight, size in zip(weights, examples, strict=True))
    of_mean = sum(weight**2 / size for weight, size in zip(weights, examples, strict=True))
    mean = sum(weight * norm for weight, norm in zip(weights, squared_norms, strict=True))
    trace = (mean - mean_squared_norm) / (inverse - of_mean)
    return Moments(mean_squared_norm - trace * of_mean, trace)


class NoiseScale:
    """tr Σ / |G|² over many updates, in examples.

    |G|² and tr Σ are averaged *before* they are divided: the ratio of two noisy numbers is biased, and its mean need
    not even exist.

    Args:
        decay: weight of the past in the running averages; 1 averages all updates alike.
    """

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 <= decay <= 1:
            raise ConfigurationError(f"noise scale: decay must be from 0 to 1, found {decay:g}")
        self.decay = decay
        self.updates = 0
        self._weight = self._gradient_squared = self._trace = 0.0

    def add(self, found: Moments) -> None:
        """Take in one update's estimates."""
        self.updates += 1
        self._weight = self.decay * self._weight + 1
        step = 1 / self._weight
        self._gradient_squared += step * (found.gradient_squared - self._gradient_squared)
        self._trace += step * (found.trace - self._trace)

    @property
    def averages(self) -> Moments:
        """The averages so far."""
        return Moments(self._gradient_squared, self._trace)

    @property
    def value(self) -> float | None:
        """tr Σ / |G|²; ``None`` while the averages are too noisy to be positive."""
        if self.updates == 0 or self._gradient_squared <= 0 or self._trace <= 0:
            return None
        return self._trace / self._gradient_squared

    def suggested(self, unit: float, most: int = 1024) -> int | None:
        """How many micro-batches of ``unit`` examples come nearest to the noise scale, from 1 to ``most``.

        At that size an update brings half of what one with endless data would, and twice the examples of the smallest
        batch are spent.
        """
        value = self.value
        if value is None:
            return None
        return max(1, min(most, round(value / unit)))

    def costs(self, batch: float) -> tuple[float, float] | None:
        """For a batch: updates as a multiple of the fewest possible, examples as a multiple of the fewest possible.

        1 + noise / batch and 1 + batch / noise; McCandlish et al. 2018, equation 2.11.
        """
        value = self.value
        return None if value is None else (1 + value / batch, 1 + batch / value)

    def state_dict(self) -> dict[str, float]:
        """Everything that :meth:`load_state_dict` takes up."""
        return {
            "updates": self.updates,
            "weight": self._weight,
            "gradient_squared": self._gradient_squared,
            "trace": self._trace,
        }

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a kept state."""
        self.updates, self._weight = int(state["updates"]), state["weight"]
        self._gradient_squared, self._trace = state["gradient_squared"], state["trace"]
