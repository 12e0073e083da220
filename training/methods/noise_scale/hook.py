"""The noise scale measured while a model trains, without a second pass."""

from __future__ import annotations

from typing import Any

from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from training.methods.hooks import Hook, Progress
from training.methods.noise_scale.estimate import NoiseScale, moments
from training.methods.options import Options


class NoiseScaleHook(Hook):
    """Measures the noise scale in updates of at least two micro-batches; changes nothing.

    A hook on every parameter sees the gradient of each backward pass before it is added to the others, so no copy of
    the gradient is kept. Under data parallelism every worker's micro-batches count: norms are exchanged, the mean
    gradient is read after the workers have exchanged it. Losses must be means over a micro-batch, times the share of
    the update's gradient that :meth:`after_backward` is told; without one, divided by the number of micro-batches.

    Args:
        decay: weight of the past in the running averages.
    """

    def __init__(self, decay: float = 0.99) -> None:
        self.noise = NoiseScale(decay)
        self._model: nn.Module | None = None
        self._handles: list[Any] = []
        self._squared: Tensor | None = None
        self._norms: list[float] = []
        self._examples: list[float] = []
        self._shares: list[float] = []
        self._planned = 1
        self._unit = 1.0

    def start(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._model = model
        for parameter in model.parameters():
            if parameter.requires_grad:
                self._handles.append(parameter.register_hook(self._add))

    def _add(self, gradient: Tensor) -> None:
        squared = gradient.detach().float().square().sum()
        self._squared = squared if self._squared is None else self._squared + squared.to(self._squared.device)

    def batches(self, progress: Progress, planned: int) -> int:
        self._planned = planned
        return planned

    def after_backward(self, progress: Progress, examples: int, share: float | None = None) -> None:
        squared = 0.0 if self._squared is None else float(self._squared)
        self._squared = None
        # Without a share, workers average their gradients, each the mean of its micro-batches.
        own = 1 / self._planned if share is None else share
        # A micro-batch without a labelled token has no gradient to measure.
        if own > 0:
            self._norms.append(squared / own**2)
            self._examples.append(float(examples))
            self._shares.append(own / _workers() if share is None else share)

    def before_step(self, progress: Progress) -> None:
        norms, examples, shares = self._norms, self._examples, self._shares
        self._norms, self._examples, self._shares = [], [], []
        if _workers() > 1:
            norms, examples, shares = _gathered(norms), _gathered(examples), _gathered(shares)
        if len(norms) < 2 or self._model is None:
            return
        gradients = [parameter.grad for parameter in self._model.parameters() if parameter.grad is not None]
        total = float(sum(gradient.detach().float().square().sum() for gradient in gradients))
        # An epoch's last update may have fewer micro-batches than planned; where each counts for one of those, its
        # gradient is too small by that.
        whole = sum(shares)
        parts = [share / whole for share in shares]
        self.noise.add(moments(norms, examples, total / whole**2, parts))
        self._unit = sum(examples) / len(examples)

    def report(self) -> dict[str, float]:
        value, suggested = self.noise.value, self.noise.suggested(self._unit)
        if value is None or suggested is None:
            return {}
        return {"noise_scale": value, "suggested_batches": float(suggested)}

    def finish(self, model: nn.Module) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def state_dict(self) -> dict[str, Any]:
        return dict(self.noise.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.noise.load_state_dict(state)


def _workers() -> int:
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def _gathered(values: list[float]) -> list[float]:
    """The values of all workers; an epoch's last update may have left some of them without any."""
    parts: list[list[float]] = [[] for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(parts, values)
    return [value for part in parts for value in part]


def from_line(rest: str) -> Hook:
    """The hook for ``noise_scale [decay=0.99]``.

    Raises:
        ConfigurationError: an option that is unknown or out of range.
    """
    options = Options("noise_scale", rest.split())
    hook = NoiseScaleHook(options.number("decay", 0.99, 0, 1))
    options.done()
    return hook
