"""Batch ramps in the training loop, from one line of the recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gateway.errors import ConfigurationError
from training.methods.batch_ramp.rates import (
    OPTIMIZERS,
    RULES,
    GrowthForDecay,
    Optimizers,
    Rule,
    scaled_rate,
    warm_up,
)
from training.methods.batch_ramp.schedule import Schedule, parse_schedule
from training.methods.hooks import Hook, Progress
from training.methods.options import Options


class BatchRampHook(Hook):
    """Updates of as many micro-batches as a schedule says; the rate is scaled by a rule, warmed up to the first size.

    Sizes multiply the recipe's ``accumulation``. The rate is scaled by the size beside 1.
    """

    def __init__(self, schedule: Schedule, rule: Rule = "none", warmup: float = 0.0) -> None:
        self.schedule, self.rule, self.warmup = schedule, rule, warmup

    def size(self, progress: Progress) -> int:
        """How many times the recipe's batch the next update takes."""
        return self.schedule.size(progress.share, progress.epochs)

    def batches(self, progress: Progress, planned: int) -> int:
        return planned * self.size(progress)

    def rate(self, progress: Progress) -> float:
        # An epoch's last update may be smaller than planned, and then its rate is that of its own size.
        scale = scaled_rate(1.0, max(1.0, self.size(progress) * progress.filled), self.rule)
        return warm_up(progress.share, self.warmup, scale)


class GrowthForDecayHook(Hook):
    """Grows the batch where a decay would lower the rate; ``decay`` gives the schedule's rate by the share of data
    seen.

    The loop's own decay is replaced: the hook divides it out. See :class:`GrowthForDecay`.
    """

    def __init__(self, growth: GrowthForDecay, decay: Callable[[float], float]) -> None:
        self.growth, self.decay = growth, decay

    def batches(self, progress: Progress, planned: int) -> int:
        return planned * self.growth.batch(self.decay(progress.share))

    def rate(self, progress: Progress) -> float:
        decay = self.decay(progress.share)
        return self.growth.rate(decay, progress.filled) / decay if decay > 0 else 1.0


def linear_decay(warmup: float) -> Callable[[float], float]:
    """The loop's decay: 1 until the warm-up is over, then in a straight line to 0."""

    def decay(share: float) -> float:
        return 1.0 if share <= warmup else max(0.0, (1 - share) / (1 - warmup))

    return decay


def from_line(rest: str, warmup: float) -> Hook:
    """The hook for ``batch_ramp SCHEDULE [; rate=none|linear|sqrt] [warmup=SHARE]`` or for growth in place of decay:
    ``batch_ramp grow=sgd|adamw [factor=2] [most=16]``.

    Args:
        warmup: the loop's warm-up share, after which its rate decays.

    Raises:
        ConfigurationError: no schedule, or an option that is unknown or out of range.
    """
    if not rest:
        raise ConfigurationError('batch_ramp: needs a schedule such as "1, 2 at 30%, 4 at 60%", or grow=adamw')
    line, _, after = rest.partition(";")
    if line.lstrip().startswith("grow="):
        options = Options("batch_ramp", rest.replace(";", " ").split())
        growth = GrowthForDecay(
            cast(Optimizers, options.text("grow", "adamw", OPTIMIZERS)),
            options.number("factor", 2.0, 1.0001, 1024),
            options.integer("most", 16, 1),
        )
        options.done()
        return GrowthForDecayHook(growth, linear_decay(warmup))
    options = Options("batch_ramp", after.split())
    rule = cast(Rule, options.text("rate", "none", RULES))
    length = options.number("warmup", 0.0, 0, 1)
    options.done()
    return BatchRampHook(parse_schedule(line), rule, length)
