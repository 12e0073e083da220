"""Top-K by magnitude: how many values stay, from which magnitude on, and keeping only those in memory."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gateway.errors import ConfigurationError


def kept_count(keep: float, size: int) -> int:
    """k = ceil(keep · n), at least 1.

    Raises:
        ConfigurationError: ``keep`` is not above 0 and at most 1.
    """
    if not 0 < keep <= 1:
        raise ConfigurationError(f"swat: the share to keep must be above 0 and at most 1, found {keep:g}")
    # 0.07 · 100 is a little more than 7 in floating point.
    return max(1, math.ceil(keep * size - 1e-9 * size))


def threshold(tensor: Tensor, keep: float) -> Tensor:
    """The k-th largest magnitude of a tensor, a scalar; every value of at least this magnitude stays, ties too."""
    magnitudes = tensor.detach().abs().flatten()
    size = magnitudes.numel()
    return magnitudes.kthvalue(size - kept_count(keep, size) + 1).values


def masked(tensor: Tensor, least: Tensor) -> Tensor:
    """The tensor with every value of a magnitude below ``least`` set to zero."""
    return torch.where(tensor.abs() >= least, tensor, torch.zeros((), dtype=tensor.dtype, device=tensor.device))


class Packed(NamedTuple):
    """A tensor of mostly zeros: its other values, and one bit a position."""

    values: Tensor
    bits: Tensor

    @property
    def nbytes(self) -> int:
        """Memory of values and bits."""
        return self.values.nbytes + self.bits.nbytes


def _powers(device: torch.device) -> Tensor:
    return torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=device)


def pack(tensor: Tensor) -> Packed:
    """Keep the values that are not zero: keep · 4 + 1/8 bytes a value of 4 bytes."""
    flat = tensor.flatten()
    present = flat != 0
    padded = torch.nn.functional.pad(present.to(torch.uint8), (0, -len(flat) % 8)).view(-1, 8)
    return Packed(flat[present], (padded * _powers(tensor.device)).sum(1, dtype=torch.uint8))


def unpack(packed: Packed, shape: torch.Size) -> Tensor:
    """The tensor that was packed."""
    size = shape.numel()
    present = (packed.bits[:, None] & _powers(packed.bits.device) != 0).flatten()[:size]
    flat = torch.zeros(size, dtype=packed.values.dtype, device=packed.values.device)
    flat[present] = packed.values
    return flat.view(shape)
