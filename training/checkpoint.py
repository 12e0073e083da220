"""What a training keeps so that it can go on: parameters, statistics, optimizer, methods, and how far it has come."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gateway.files import replacing
from training.methods.hooks import Hooks

#: Raised when the loop draws other random numbers or weighs batches in another way than before: a training begun
#: otherwise could not end as it would have.
FORMAT = 2


@dataclass
class Standing:
    """How far a training has come: epochs and updates done, the factor on the learning rate, a record an epoch."""

    epoch: int = 0
    step: int = 0
    rate: float = 1.0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    """Everything of a running training that changes."""

    model: nn.Module
    parameters: Mapping[str, nn.Parameter]
    optimizer: Optimizer
    hooks: Hooks

    def buffers(self) -> dict[str, Tensor]:
        """The statistics that the model keeps of its batches (batch normalisation), not what it could make again."""
        kept = self.model.state_dict().keys()
        return {name: buffer for name, buffer in self.model.named_buffers() if name in kept}

    def state(self) -> dict[str, Any]:
        """All of it, by reference."""
        return {
            "parameters": {name: parameter.detach() for name, parameter in self.parameters.items()},
            "buffers": self.buffers(),
            "optimizer": self.optimizer.state_dict(),
            "hooks": self.hooks.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` gave."""
        # Before the parameters: a method may have changed their sizes.
        self.hooks.load_state_dict(state["hooks"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][name])
            for name, buffer in self.buffers().items():
                buffer.copy_(state["buffers"][name])
        self.optimizer.load_state_dict(state["optimizer"])


def snapshot(trained: Trained) -> dict[str, Any]:
    """A copy of the state, which later steps leave as it is."""
    return copy.deepcopy(trained.state())


def save(path: Path, fingerprint: Mapping[str, Any], workers: int, trained: Trained, standing: Standing) -> None:
    """Write a checkpoint atomically."""
    with replacing(path) as temporary:
        state = {"fingerprint": dict(fingerprint), "workers": workers, **trained.state(), **vars(standing)}
        torch.save(state, temporary)


def load(path: Path, fingerprint: Mapping[str, Any], workers: int, epochs: int, trained: Trained) -> Standing | None:
    """Take up a checkpoint; ``None``, and nothing changed, where there is none or one of another training.

    With another number of processes an update has another size: only a training that is finished (all ``epochs``) can
    be taken up by any number of them.
    """
    if not path.is_file():
        return None
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["fingerprint"] != dict(fingerprint):
        return None
    if state["workers"] != workers and state["epoch"] < epochs:
        return None
    trained.restore(state)
    return Standing(state["epoch"], state["step"], state["rate"], state["history"])
