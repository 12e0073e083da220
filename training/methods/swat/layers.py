"""Sparse weight activation training of one layer: top-K weights forward, top-K weights and activations backward."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from training.methods.swat.topk import Packed, masked, pack, threshold, unpack


def _save(ctx: Any, activations: Tensor, weight: Tensor, thresholds: tuple[Tensor, Tensor], packed: bool) -> Tensor:
    """Keep for the backward pass only the largest activations; returns the masked weight.

    The weight is masked again in the backward pass: that costs a comparison a weight, and no memory.
    """
    least_activation, ctx.least_weight = thresholds
    sparse = masked(activations, least_activation)
    ctx.packed, ctx.shape = packed, sparse.shape
    ctx.save_for_backward(weight, *(pack(sparse) if packed else (sparse,)))
    return masked(weight, ctx.least_weight).to(activations.dtype)


def _saved(ctx: Any) -> tuple[Tensor, Tensor]:
    weight, *kept = ctx.saved_tensors
    sparse = unpack(Packed(*kept), ctx.shape) if ctx.packed else kept[0]
    return sparse, masked(weight, ctx.least_weight).to(sparse.dtype)


class _Linear(torch.autograd.Function):
    """y = x·Ŵᵀ + b; dx = dy·Ŵ; dW = dyᵀ·x̂: the gradient of all weights, from the largest activations.

    ``thresholds`` are those of activations and weight.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        activations: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        thresholds: tuple[Tensor, Tensor],
        packed: bool,
    ) -> Tensor:
        return functional.linear(activations, _save(ctx, activations, weight, thresholds, packed), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sparse, weight = _saved(ctx)
        rows = gradient.flatten(0, -2)
        # In the order of torch's own linear layer, so that with everything kept no bit differs.
        for_activations = rows.mm(weight).view_as(sparse) if ctx.needs_input_grad[0] else None
        for_weight = None
        if ctx.needs_input_grad[1]:
            for_weight = rows.t().mm(sparse.flatten(0, -2)).to(ctx.saved_tensors[0].dtype)
        for_bias = rows.sum(0) if ctx.needs_input_grad[2] else None
        return for_activations, for_weight, for_bias, None, None


class _Conv2d(torch.autograd.Function):
    """The same for a convolution; ``geometry`` is stride, padding, dilation and groups."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        activations: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        thresholds: tuple[Tensor, Tensor],
        packed: bool,
        geometry: tuple[list[int], list[int], list[int], int],
    ) -> Tensor:
        cast(Any, ctx).geometry = geometry
        stride, padding, dilation, groups = geometry
        sparse_weight = _save(ctx, activations, weight, thresholds, packed)
        return functional.conv2d(activations, sparse_weight, bias, stride, padding, dilation, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sparse, weight = _saved(ctx)
        stride, padding, dilation, groups = ctx.geometry
        outputs = tuple(ctx.needs_input_grad[:3])
        # Each gradient reads only one of the two tensors, so one call has both sparse.
        found = torch.ops.aten.convolution_backward(
            gradient, sparse, weight, [gradient.shape[1]], stride, padding, dilation, False, [0, 0], groups, outputs
        )
        for_weight = found[1].to(ctx.saved_tensors[0].dtype) if outputs[1] else None
        return (found[0] if outputs[0] else None, for_weight, found[2] if outputs[2] else None, None, None, None)


class SparseLayer(nn.Module):
    """What the sparse linear layer and the sparse convolution share; mixed into torch's own class.

    ``keep`` is the share of the layer's weights that is used, ``keep_activations`` that of the values of its whole
    batch tensor that reach the weights' gradient. Thresholds are found anew every ``period`` training batches; in
    between, everything above the last one counts. ``packed`` stores the activations for the backward pass as values and
    bits: less memory, more time. Weights themselves stay dense and all of them learn.

    Source: Raihan & Aamodt 2020, "Sparse Weight Activation Training".
    """

    keep: float
    keep_activations: float
    period: int
    packed: bool
    least_weight: Tensor | None
    least_activation: Tensor | None
    age: int

    def configure(self, keep: float, keep_activations: float, period: int, packed: bool) -> None:
        """Set what the layer keeps; the next batch finds thresholds."""
        self.keep, self.keep_activations, self.period, self.packed = keep, keep_activations, period, packed
        self.least_weight = self.least_activation = None
        self.age = 0

    def sparse_weight(self) -> Tensor:
        """The weight as it is used: the largest values, the rest zero."""
        return masked(self.master.detach(), self._least_weight())

    @property
    def master(self) -> nn.Parameter:
        """The dense weight, all of which learns."""
        return cast(nn.Parameter, self.weight)

    def _least_weight(self) -> Tensor:
        return threshold(self.master, self.keep) if self.least_weight is None else self.least_weight

    def _inputs(self, activations: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        """Activations and bias in the type of the computation, and the thresholds of activations and weight."""
        if self.training and torch.is_grad_enabled():
            if self.age % self.period == 0:
                self.least_weight = threshold(self.master, self.keep)
                self.least_activation = threshold(activations, self.keep_activations).float()
            self.age += 1
        bias = cast("Tensor | None", self.bias)
        kind = activations.device.type
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
            activations = activations.to(dtype)
            bias = bias.to(dtype) if bias is not None else None
        least = self.least_activation
        if least is None:
            least = torch.zeros(())
        # Rounded as the activations are: what stood at the threshold still does.
        return activations, bias, (least.to(activations), self._least_weight())


class SparseLinear(SparseLayer, nn.Linear):
    """A linear layer trained with :class:`SparseLayer`'s rule."""

    def forward(self, activations: Tensor) -> Tensor:
        """``[..., in]`` to ``[..., out]``."""
        activations, bias, thresholds = self._inputs(activations)
        return cast(Tensor, _Linear.apply(activations, self.weight, bias, thresholds, self.packed))


class SparseConv2d(SparseLayer, nn.Conv2d):
    """A convolution trained with :class:`SparseLayer`'s rule."""

    def forward(self, activations: Tensor) -> Tensor:
        """``[batch, in, height, width]`` to ``[batch, out, height, width]``."""
        activations, bias, thresholds = self._inputs(activations)
        geometry = (list(self.stride), list(cast(tuple[int, ...], self.padding)), list(self.dilation), self.groups)
        return cast(Tensor, _Conv2d.apply(activations, self.weight, bias, thresholds, self.packed, geometry))
