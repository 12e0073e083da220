"""Turning a model's layers sparse, keeping their shares up to date, and turning them back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast, get_args

import torch
from torch import nn
from torch.optim import Optimizer

from gateway.errors import ConfigurationError
from training.methods.hooks import optimizer_state
from training.methods.swat import distribution
from training.methods.swat.layers import SparseConv2d, SparseLayer, SparseLinear
from training.methods.swat.topk import kept_count

Distribution = Literal["uniform", "erk", "momentum"]
DISTRIBUTIONS: tuple[str, ...] = get_args(Distribution)
_SPARSE: dict[type[nn.Module], type[SparseLayer]] = {nn.Linear: SparseLinear, nn.Conv2d: SparseConv2d}
_DENSE: dict[type[SparseLayer], type[nn.Module]] = {SparseLinear: nn.Linear, SparseConv2d: nn.Conv2d}


def apply_swat(
    model: nn.Module,
    keep: float,
    *,
    keep_activations: float | None = None,
    distribute: Distribution = "uniform",
    period: int = 1,
    skip: str = r"(^|\.)head$",
    packed: bool = False,
) -> list[str]:
    """Make linear layers and convolutions sparse in place; parameters stay the same objects under the same names.

    Args:
        keep: the share of all these layers' weights that is used.
        keep_activations: the share of each layer's input values that reach its weights' gradient; ``keep`` by default.
        distribute: how the share is divided among layers. ``momentum`` starts as ``uniform``; see :func:`redistribute`.
        period: training batches between two refreshes of the thresholds.
        skip: layers whose name this pattern matches stay dense; by default the classifier, which is small.

    Returns:
        The names of the layers that became sparse.

    Raises:
        ConfigurationError: a share or period out of range, nothing to make sparse, or a convolution whose padding is
            not zeros of a given width.
    """
    activations = keep if keep_activations is None else keep_activations
    for share in (keep, activations):
        kept_count(share, 1)  # refuses what is no share, before anything is changed
    if period < 1:
        raise ConfigurationError(f"swat: the refresh period must be at least 1 batch, found {period}")
    pattern = re.compile(skip) if skip else None
    layers = {
        name: module
        for name, module in model.named_modules()
        if type(module) in _SPARSE and not (pattern and pattern.search(name))
    }
    if not layers:
        raise ConfigurationError("swat: the model has no linear layer or convolution to make sparse")
    for name, module in layers.items():
        if isinstance(module, nn.Conv2d) and (module.padding_mode != "zeros" or isinstance(module.padding, str)):
            raise ConfigurationError(f"swat: {name}: only zero padding of a given width is supported")
    shapes = {name: tuple(cast(nn.Parameter, module.weight).shape) for name, module in layers.items()}
    shares = (
        distribution.erdos_renyi_kernel(shapes, keep) if distribute == "erk" else distribution.uniform(shapes, keep)
    )
    for name, module in layers.items():
        # A sparse layer differs from torch's by its forward pass alone: same parameters, same attributes.
        module.__class__ = cast(type, _SPARSE[type(module)])
        cast(SparseLayer, module).configure(shares[name], activations, period, packed)
    return list(layers)


def sparse_layers(model: nn.Module) -> dict[str, SparseLayer]:
    """The model's sparse layers by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, SparseLayer)}


def redistribute(model: nn.Module, keep: float, optimizer: Optimizer) -> dict[str, float]:
    """Divide the share anew by the optimizer's momentum (``momentum_buffer`` of SGD, ``exp_avg`` of Adam).

    Returns:
        Every layer's share. Before the first step it is uniform.

    Raises:
        ConfigurationError: the optimizer has made steps and keeps no momentum.
    """
    layers = sparse_layers(model)
    magnitudes: dict[str, float] = {}
    for name, layer in layers.items():
        state = optimizer_state(optimizer, layer.master)
        moving = state.get("exp_avg", state.get("momentum_buffer"))
        if state and moving is None:
            raise ConfigurationError("swat: distribute=momentum needs an optimizer with momentum")
        used = layer.sparse_weight() != 0
        magnitudes[name] = float(moving.abs()[used].mean()) if moving is not None and bool(used.any()) else 0.0
    shapes = {name: tuple(layer.master.shape) for name, layer in layers.items()}
    shares = distribution.momentum(shapes, keep, magnitudes)
    for name, layer in layers.items():
        layer.keep = shares[name]
        layer.age = 0  # the next batch finds the threshold that goes with it
    return shares


def remove_swat(model: nn.Module) -> None:
    """Turn sparse layers back into torch's own, with the weights they used: what they left out becomes zero."""
    for layer in sparse_layers(model).values():
        with torch.no_grad():
            layer.master.copy_(layer.sparse_weight())
        layer.__class__ = cast(type, _DENSE[type(layer)])
        for name in ("keep", "keep_activations", "period", "packed", "least_weight", "least_activation", "age"):
            delattr(layer, name)


def thresholds(model: nn.Module) -> dict[str, dict[str, object]]:
    """What sparse layers remember from batch to batch, for a checkpoint."""
    return {
        name: {
            "keep": layer.keep,
            "age": layer.age,
            "weight": layer.least_weight,
            "activation": layer.least_activation,
        }
        for name, layer in sparse_layers(model).items()
    }


def restore_thresholds(model: nn.Module, kept: Mapping[str, Mapping[str, object]]) -> None:
    """Take up what :func:`thresholds` gave."""
    for name, layer in sparse_layers(model).items():
        state = kept[name]
        layer.keep, layer.age = cast(float, state["keep"]), cast(int, state["age"])
        layer.least_weight = cast("torch.Tensor | None", state["weight"])
        layer.least_activation = cast("torch.Tensor | None", state["activation"])
