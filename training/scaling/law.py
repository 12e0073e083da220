"""The scaling law: how loss falls with model size and with training data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gateway.errors import ConfigurationError

#: Floating point operations of one parameter on one training token (forward and backward pass).
TRAINING_FLOPS = 6.0
#: Floating point operations of one parameter on one token that is served (forward pass).
INFERENCE_FLOPS = 2.0


@dataclass(frozen=True)
class ScalingLaw:
    """L(N, D) = E + A / N^α + B / D^β for N parameters and D training tokens.

    Source: Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", equation 2.
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        values = asdict(self)
        if not all(math.isfinite(value) for value in values.values()):
            raise ConfigurationError(f"scaling law: every constant must be a finite number, found {values}")
        if min(self.A, self.B, self.alpha, self.beta) <= 0 or self.E < 0:
            raise ConfigurationError(f"scaling law: A, B, alpha and beta must be above 0 and E at least 0: {values}")

    def loss(self, parameters: ArrayLike, tokens: ArrayLike) -> NDArray[np.float64]:
        """The loss of models with ``parameters`` weights after ``tokens`` training tokens; shapes broadcast."""
        size, data = np.asarray(parameters, np.float64), np.asarray(tokens, np.float64)
        return np.asarray(self.E + self.A / size**self.alpha + self.B / data**self.beta)

    def tokens_for(self, parameters: float, loss: float) -> float:
        """Training tokens after which a model of this size has this loss.

        Raises:
            ConfigurationError: a model of this size never reaches it, however long it is trained.
        """
        left = loss - self.E - self.A / parameters**self.alpha
        if left <= 0:
            raise ConfigurationError(
                f"a model of {parameters:.3g} parameters never reaches a loss of {loss:.4g}: with endless data it has"
                f" {loss - left:.4g}"
            )
        return float((self.B / left) ** (1 / self.beta))

    def as_json(self) -> dict[str, float]:
        """The five constants by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Any) -> ScalingLaw:
        """The law of a mapping with E, A, B, alpha and beta; other keys are left alone.

        Raises:
            ConfigurationError: a constant is missing or not a number.
        """
        names = ("E", "A", "B", "alpha", "beta")
        if not isinstance(raw, dict) or not all(isinstance(raw.get(name), (int, float)) for name in names):
            raise ConfigurationError(f"scaling law: needs the numbers {', '.join(names)}")
        return cls(*(float(raw[name]) for name in names))


#: The constants of Hoffmann et al. 2022 as they stand in their source, before rounding (Besiroglu et al. 2024).
CHINCHILLA = ScalingLaw(
    E=math.exp(0.5267228), A=math.exp(6.0073404), B=math.exp(6.0179186), alpha=0.33917084, beta=0.2849083
)
