"""Adversarial margin: how little an input must change for the model to change its mind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gateway.errors import ConfigurationError

#: Halvings of the line to the flipped prediction: to a thousandth.
HALVINGS = 10


def adversarial_margin(
    logits_of: Callable[[Tensor], Tensor], inputs: Tensor, *, steps: int = 10, overshoot: float = 0.02, classes: int = 5
) -> NDArray[np.float64]:
    """The length of the smallest change found that flips each prediction; small: the example lies near a boundary.

    Each step goes to the nearest boundary of the model made linear at the present point: over classes k other than the
    predicted one, the least |f_k − f_y| / ‖∇(f_k − f_y)‖₂. Then the change is shortened to where the prediction flips.
    For a linear model the result is the distance from the boundary, to 0.1 %.

    Args:
        logits_of: inputs ``[n, ...]`` to logits ``[n, C]``; for text, from embeddings. Examples must not mix.
        inputs: real-valued; not changed.
        steps: at most; an example that has not flipped by then gets the length it has come.
        overshoot: how far beyond the boundary a step goes, as a share of its length. It is not part of the margin.
        classes: how many of the most probable other classes are tried.

    Sources: Moosavi-Dezfooli, Fawzi & Frossard 2016, "DeepFool"; Ducoffe & Precioso 2018, "Adversarial Active Learning
    for Deep Networks: a Margin Based Approach".
    """
    if steps < 1 or classes < 1:
        raise ConfigurationError("adversarial margin: steps and classes must be at least 1")
    start = inputs.detach()
    with torch.no_grad():
        first = logits_of(start)
    if first.ndim != 2 or first.shape[1] < 2:
        raise ConfigurationError(f"adversarial margin: needs logits [n, C] of 2 or more classes, found {first.shape}")
    predicted = first.argmax(dim=1)
    rivals = first.argsort(dim=1, descending=True)[:, 1 : classes + 1]
    change = torch.zeros_like(start)
    rows = torch.arange(len(start))
    open_ = torch.ones(len(start), dtype=torch.bool)
    for _ in range(steps):
        point = (start + (1 + overshoot) * change).requires_grad_()
        logits = logits_of(point)
        open_ &= logits.argmax(dim=1) == predicted
        if not open_.any():
            break
        best_length = torch.full((len(start),), torch.inf)
        best_step = torch.zeros_like(start)
        for place in range(rivals.shape[1]):
            lead = logits[rows, predicted] - logits[rows, rivals[:, place]]
            (gradient,) = torch.autograd.grad(lead.sum(), point, retain_graph=True)
            norm = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)
            length = lead.detach().abs() / norm
            nearer = length < best_length
            shape = (-1,) + (1,) * (start.ndim - 1)
            step = -(length / norm).view(shape) * gradient
            best_length = torch.where(nearer, length, best_length)
            best_step = torch.where(nearer.view(shape), step, best_step)
        change = torch.where(open_.view((-1,) + (1,) * (start.ndim - 1)), change + best_step, change)
    with torch.no_grad():
        # Steps on a curved model may go too far: go back along the straight line to where the prediction flips.
        low, high = torch.zeros(len(start)), torch.full((len(start),), 1 + overshoot)
        flipped = logits_of(start + _times(change, high)).argmax(dim=1) != predicted
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            beyond = logits_of(start + _times(change, middle)).argmax(dim=1) != predicted
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        scale = torch.where(flipped, high, torch.ones(()))
    lengths: NDArray[np.float64] = (change.flatten(1).norm(dim=1) * scale).double().numpy()
    return lengths


def _times(change: Tensor, factors: Tensor) -> Tensor:
    return factors.view((-1,) + (1,) * (change.ndim - 1)).to(change) * change
