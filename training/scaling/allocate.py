"""Spending a budget: the model size and the training tokens that give the lowest loss, or the same loss for less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.optimize import brentq, minimize_scalar

from gateway.errors import ConfigurationError
from training.scaling.law import INFERENCE_FLOPS, TRAINING_FLOPS, ScalingLaw


@dataclass(frozen=True)
class Allocation:
    """N parameters and D training tokens, the loss to expect, and the floating point operations they take."""

    parameters: float
    tokens: float
    loss: float
    training_flops: float
    inference_flops: float = 0.0

    @property
    def flops(self) -> float:
        """Operations for training and serving together."""
        return self.training_flops + self.inference_flops


def _allocation(law: ScalingLaw, parameters: float, tokens: float, inference_tokens: float) -> Allocation:
    return Allocation(
        parameters,
        tokens,
        float(law.loss(parameters, tokens)),
        TRAINING_FLOPS * parameters * tokens,
        INFERENCE_FLOPS * parameters * inference_tokens,
    )


def _positive(**amounts: float) -> None:
    for name, amount in amounts.items():
        if not (math.isfinite(amount) and amount > 0):
            raise ConfigurationError(f"{name} must be a finite number above 0, found {amount}")


def allocate(law: ScalingLaw, flops: float) -> Allocation:
    """The lowest loss that ``flops`` of training buy, 6ND = C: N = G (C/6)^(β/(α+β)), D = (C/6)^(α/(α+β)) / G.

    Raises:
        ConfigurationError: ``flops`` is not a finite number above 0.

    Source: Hoffmann et al. 2022, equation 4, with G = (αA / βB)^(1/(α+β)).
    """
    _positive(flops=flops)
    exponent = 1 / (law.alpha + law.beta)
    ratio = (law.alpha * law.A / (law.beta * law.B)) ** exponent
    pairs = flops / TRAINING_FLOPS
    parameters = ratio * pairs ** (law.beta * exponent)
    return _allocation(law, parameters, pairs / parameters, 0.0)


def budget_of_size(law: ScalingLaw, parameters: float) -> float:
    """The training budget for which a model of this size is the best one: the inverse of :func:`allocate`."""
    _positive(parameters=parameters)
    exponent = 1 / (law.alpha + law.beta)
    ratio = (law.alpha * law.A / (law.beta * law.B)) ** exponent
    return float(TRAINING_FLOPS * (parameters / ratio) ** ((law.alpha + law.beta) / law.beta))


def allocate_at_loss(law: ScalingLaw, loss: float, inference_tokens: float = 0.0) -> Allocation:
    """The cheapest way to a loss when what is served counts too: least 6ND + 2N·D_inf with L(N, D) = ``loss``.

    More tokens to serve make the best model smaller and its training longer. On the curve of equal loss the derivative
    of the cost is zero where 6D + 2·D_inf = 6·αA·N^(−α)·D^(β+1) / (βB).

    Raises:
        ConfigurationError: no model reaches this loss, or ``inference_tokens`` is negative.

    Source: Sardana, Portes, Doubov & Frankle 2024, "Beyond Chinchilla-Optimal", equation 1.
    """
    if not law.E < loss < math.inf:
        raise ConfigurationError(f"no model reaches a loss of {loss:.4g}: the law's floor is {law.E:.4g}")
    if not 0 <= inference_tokens < math.inf:
        raise ConfigurationError(f"inference_tokens must be a finite number, at least 0, found {inference_tokens}")

    # Parameters as a multiple of the size that reaches the loss only with endless data.
    least = (law.A / (loss - law.E)) ** (1 / law.alpha)

    def slope(log_multiple: float) -> float:
        # Of the loss above the floor, size takes a share N^(−α); data must bring the rest.
        share = math.exp(-law.alpha * log_multiple)
        left = (loss - law.E) * -math.expm1(-law.alpha * log_multiple)
        tokens = (law.B / left) ** (1 / law.beta)
        by_size = law.alpha * (loss - law.E) * share
        by_data = law.beta * left
        # Divided by the tokens: the cost of serving beside that of training.
        return TRAINING_FLOPS * (1 - by_size / by_data) + INFERENCE_FLOPS * inference_tokens / tokens

    low, high = 1e-12, 1.0
    while slope(high) < 0:
        high *= 2
    parameters = least * math.exp(brentq(slope, low, high, xtol=1e-14, rtol=1e-12))
    return _allocation(law, parameters, law.tokens_for(parameters, loss), inference_tokens)


def allocate_within(law: ScalingLaw, flops: float, inference_tokens: float) -> Allocation:
    """The lowest loss when ``flops`` must pay for training and for serving: 6ND + 2N·D_inf = C.

    Raises:
        ConfigurationError: an amount is out of range.
    """
    _positive(flops=flops)
    if inference_tokens == 0:
        return allocate(law, flops)
    _positive(inference_tokens=inference_tokens)

    def tokens(log_parameters: float) -> float:
        return (flops * math.exp(-log_parameters) - INFERENCE_FLOPS * inference_tokens) / TRAINING_FLOPS

    def loss(log_parameters: float) -> float:
        return float(law.loss(math.exp(log_parameters), max(tokens(log_parameters), 1e-300)))

    # From the size that serving alone would use up, downwards; the training optimum is larger than the answer.
    most = min(math.log(flops / (INFERENCE_FLOPS * inference_tokens)) - 1e-9, math.log(allocate(law, flops).parameters))
    found = minimize_scalar(loss, bounds=(most - 40, most), method="bounded", options={"xatol": 1e-10})
    return _allocation(law, math.exp(found.x), tokens(found.x), inference_tokens)


def best_size(
    law: ScalingLaw,
    sizes: Mapping[str, float],
    flops: float,
    *,
    most_tokens: float = math.inf,
    inference_tokens: float = 0.0,
) -> tuple[str, Allocation]:
    """Of the sizes that can be built, the one of lowest loss within a budget; what ``--size auto`` asks.

    Args:
        sizes: name to parameters.
        flops: pays for training and, with ``inference_tokens``, for serving them.
        most_tokens: as much data as there is (documents' tokens × epochs worth taking).

    Raises:
        ConfigurationError: no size is given, or none can be trained within the budget.
    """
    _positive(flops=flops, **sizes)
    found: list[tuple[float, float, str, Allocation]] = []
    for name, parameters in sizes.items():
        left = flops - INFERENCE_FLOPS * parameters * inference_tokens
        tokens = min(left / (TRAINING_FLOPS * parameters), most_tokens)
        if tokens > 0:
            allocation = _allocation(law, parameters, tokens, inference_tokens)
            found.append((allocation.loss, parameters, name, allocation))
    if not found:
        raise ConfigurationError(f"no size can be trained within {flops:.3g} FLOPs: {', '.join(sizes) or 'none given'}")
    _, _, name, allocation = min(found, key=lambda item: item[:3])
    return name, allocation


def smallest_size(
    law: ScalingLaw, sizes: Mapping[str, float], tokens: float, default: str, within: float = 0.01
) -> tuple[str, Allocation]:
    """The smallest size whose predicted loss on the same tokens is at most a share ``within`` above the default's; what
    ``size: auto`` asks.

    All sizes see all data there is, which costs a small task little; what a smaller one saves it saves in training and
    again with every text it answers. Tokens served later do not change the choice: on equal training tokens a smaller
    size is cheaper in both.

    Args:
        sizes: name to parameters.
        tokens: training tokens of all epochs.
        default: the size whose loss is the measure.

    Raises:
        ConfigurationError: an amount is out of range, or ``default`` is none of the sizes.
    """
    if default not in sizes:
        raise ConfigurationError(f"the default size {default} is none of: {', '.join(sizes) or 'none given'}")
    _positive(tokens=tokens, **sizes)
    if not 0 <= within < math.inf:
        raise ConfigurationError(f"within must be a finite share, at least 0, found {within}")
    most = (1 + within) * float(law.loss(sizes[default], tokens))
    enough = [(size, name) for name, size in sizes.items() if float(law.loss(size, tokens)) <= most]
    size, name = min(enough)
    return name, _allocation(law, size, tokens, 0.0)
