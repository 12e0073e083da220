"""Several processes that train one model: each computes its share of an update, all make the same step.

``torchrun`` starts them. The gradient of an update is the sum over all of its micro-batches, each weighted by its share
of the update's tokens, so that two processes do what one with twice the accumulation does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")
#: How long a process waits for another: the first alone may run a stage that takes a day.
_PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Workers:
    """The processes of a training: this one's ``rank`` of ``count``. Alone, every call here is a no-op."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def told(self, value: T) -> T:
        """The first process's value, in all of them; they wait for one another."""
        if self.count == 1:
            return value
        carrier = [value]
        distributed.broadcast_object_list(carrier, src=0)
        return carrier[0]

    def summed(self, values: Sequence[float]) -> list[float]:
        """The sum over all processes of each value."""
        if self.count == 1:
            return list(values)
        carrier = torch.tensor(list(values), dtype=torch.float64, device=_exchange_device())
        distributed.all_reduce(carrier)
        return [float(value) for value in carrier]

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes.

        A parameter without a gradient in any process keeps none, so that an optimizer passes over it as it would in one
        process.
        """
        if self.count == 1:
            return
        device = _exchange_device()
        flags = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32, device=device)
        distributed.all_reduce(flags)
        used = [parameter for parameter, flag in zip(parameters, flags.tolist(), strict=True) if flag]
        if not used:
            return
        # One message instead of hundreds.
        flat = torch.cat(
            [
                (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).detach().float().flatten()
                for parameter in used
            ]
        )
        distributed.all_reduce(flat)
        start = 0
        for parameter in used:
            part = flat[start : start + parameter.numel()].view_as(parameter).to(parameter.dtype)
            start += parameter.numel()
            if parameter.grad is None:
                parameter.grad = part.clone()
            else:
                parameter.grad.copy_(part)

    def average_buffers(self, buffers: Sequence[Tensor]) -> None:
        """Replace statistics that each process kept of its own batches by their mean; counts by the first process's."""
        if self.count == 1:
            return
        for buffer in buffers:
            if buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer /= self.count
            else:
                distributed.broadcast(buffer, src=0)


def workers() -> Workers:
    """Those of the running process group; one where there is none."""
    if distributed.is_available() and distributed.is_initialized():
        return Workers(distributed.get_rank(), distributed.get_world_size())
    return Workers()


def _exchange_device() -> torch.device:
    """Where tensors must lie to be exchanged."""
    return torch.device("cuda") if distributed.get_backend() == "nccl" else torch.device("cpu")


@contextmanager
def started(device: torch.device) -> Iterator[Workers]:
    """Join the processes that torchrun has started, if it has; leave them at the end."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ or not distributed.is_available():
        yield Workers()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield workers()
    finally:
        distributed.destroy_process_group()
