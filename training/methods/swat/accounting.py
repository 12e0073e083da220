"""What a training step costs: floating point operations by layer, and bytes kept for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from training.methods.swat.layers import SparseLayer


@dataclass(frozen=True)
class StepCost:
    """Operations (a multiply and an add are two) of linear layers and convolutions in one training step.

    ``dense`` is what the step takes when nothing is left out; ``sparse`` what it takes when only kept weights and
    activations are worked on: forward and input gradient by the weights' share, weight gradient by the activations'.
    """

    dense: float
    sparse: float

    @property
    def share(self) -> float:
        """Sparse beside dense operations."""
        return self.sparse / self.dense


def step_cost(model: nn.Module, run: Callable[[], Any]) -> StepCost:
    """Count the operations of a training step on the batch that ``run`` gives to the model.

    Counted are the layers the forward pass calls; attention's products of activations are not layers and the same
    either way.
    """
    dense = sparse = 0.0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal dense, sparse
        weight = cast(nn.Parameter, module.weight)
        # Every output value takes one product for each weight of its row.
        products = 2.0 * output.numel() * weight[0].numel()
        dense += 3 * products
        if isinstance(module, SparseLayer):
            kept = float((module.sparse_weight() != 0).double().mean())
            sparse += products * (2 * kept + module.keep_activations)
        else:
            sparse += 3 * products

    layers = [module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return StepCost(dense, sparse)


@dataclass
class SavedBytes:
    """Bytes that autograd keeps between forward and backward pass; parameters themselves are not counted."""

    total: int = 0


@contextmanager
def count_saved(model: nn.Module) -> Iterator[SavedBytes]:
    """Counts, within its block, what forward passes keep for the backward pass: each piece of memory once."""
    saved = SavedBytes()
    seen = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    # Memory that is freed may be given out again; holding what was counted keeps addresses apart.
    held: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            held.append(tensor)
            saved.total += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield saved
    held.clear()
