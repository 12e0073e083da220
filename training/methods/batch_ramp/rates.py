"""How the learning rate goes with the batch: scaling rules, warm-up to a scaled rate, growth in place of decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from gateway.errors import ConfigurationError

Rule = Literal["none", "linear", "sqrt"]
Optimizers = Literal["sgd", "adamw"]
RULES: tuple[str, ...] = get_args(Rule)
OPTIMIZERS: tuple[str, ...] = get_args(Optimizers)


def scaled_rate(rate: float, ratio: float, rule: Rule) -> float:
    """The rate for a batch ``ratio`` times as large.

    ``linear``: rate · ratio, for SGD (Goyal et al. 2017: two steps of rate η on batches B are about one step of rate 2η
    on a batch 2B). ``sqrt``: rate · √ratio, for Adam (Malladi et al. 2022), whose steps have a size that does not
    depend on the gradient's, so that only their noise changes.

    Raises:
        ConfigurationError: the ratio is not above 0, or there is no such rule.
    """
    if ratio <= 0:
        raise ConfigurationError(f"batch ratio must be above 0, found {ratio:g}")
    if rule == "none":
        return rate
    if rule == "linear":
        return rate * ratio
    if rule == "sqrt":
        return rate * math.sqrt(ratio)
    raise ConfigurationError(f"rate scaling must be one of {', '.join(RULES)}, found {rule}")


@dataclass(frozen=True)
class AdamSettings:
    """Learning rate, the two decay rates of moments, and epsilon."""

    rate: float
    beta1: float
    beta2: float
    epsilon: float


def scaled_adam(settings: AdamSettings, ratio: float) -> AdamSettings:
    """Adam's settings for a batch ``ratio`` times as large: rate √κ, 1 − β times κ, ε / √κ.

    Raises:
        ConfigurationError: the ratio is so large that a decay rate would be negative.

    Source: Malladi et al. 2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", definition 5.1.
    """
    beta1, beta2 = 1 - ratio * (1 - settings.beta1), 1 - ratio * (1 - settings.beta2)
    if ratio <= 0 or min(beta1, beta2) < 0:
        raise ConfigurationError(f"Adam's moments cannot be scaled to a batch {ratio:g} times as large")
    return AdamSettings(scaled_rate(settings.rate, ratio, "sqrt"), beta1, beta2, settings.epsilon / math.sqrt(ratio))


def warm_up(share: float, length: float, scale: float) -> float:
    """Gradual warm-up to a scaled rate: from the unscaled rate (1) to ``scale`` times it, over ``length`` of the
    training.

    Source: Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2.
    """
    if length <= 0 or share >= length:
        return scale
    return 1 + (scale - 1) * share / length


@dataclass(frozen=True)
class GrowthForDecay:
    """A larger batch wherever a schedule would lower the rate.

    Where the rate would be multiplied by a < 1: SGD keeps its rate and the batch is divided by a; AdamW's rate is
    multiplied by √a and its batch divided by a. The batch grows in powers of ``factor`` up to ``most`` times; what a
    step of growth does not cover, and everything after ``most``, is left to the rate. So rate / batch (SGD) or rate /
    √batch (AdamW) follows the schedule exactly at every moment.

    Sources: Smith, Kindermans, Ying & Le 2018, "Don't Decay the Learning Rate, Increase the Batch Size"; Meterez et al.
    2025, "Seesaw: Accelerating Training by Balancing Learning Rate and Batch Size Scheduling".
    """

    optimizer: Optimizers
    factor: float = 2.0
    most: int = 16

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ConfigurationError(f"growth for decay: optimizer must be one of {', '.join(OPTIMIZERS)}")
        if self.factor <= 1 or self.most < 1:
            raise ConfigurationError("growth for decay: factor must be above 1 and most at least 1")

    def batch(self, decay: float) -> int:
        """How many times as large the batch is where the schedule's rate is ``decay`` of its peak."""
        if decay >= 1:
            return 1
        if decay * self.most <= 1:
            steps = math.floor(math.log(self.most) / math.log(self.factor) + 1e-9)
        else:
            steps = math.floor(-math.log(decay) / math.log(self.factor) + 1e-9)
        return round(self.factor**steps)

    def rate(self, decay: float, filled: float = 1.0) -> float:
        """What the peak rate is multiplied by there; ``filled``: the share of the grown batch that an update has."""
        batch = max(1.0, self.batch(decay) * filled)
        return decay * (batch if self.optimizer == "sgd" else math.sqrt(batch))
