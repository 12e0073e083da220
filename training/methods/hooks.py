"""Where a method may take part in the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(frozen=True)
class Progress:
    """How far a training is: micro-batches seen of all there will be, updates made, and the epochs' number.

    ``batches`` counts micro-batches over the whole training, so it measures data; updates depend on the batch size.
    ``filled``: the share of the planned micro-batches that an update really has, known when the rate is asked for; an
    epoch's last update may have fewer.
    """

    batches: int
    total_batches: int
    updates: int
    epochs: int
    filled: float = 1.0

    @property
    def share(self) -> float:
        """Data seen, from 0 to 1."""
        return self.batches / max(1, self.total_batches)


class Hook:
    """A method's part in the loop. Every point does nothing unless a method overrides it.

    The loop calls, in this order: :meth:`prepare` once, before the optimizer is made, so that modules may be replaced;
    :meth:`start` with the optimizer; then for each update :meth:`batches` (how many micro-batches make it),
    :meth:`before_update`, :meth:`after_backward` for each of its micro-batches, :meth:`rate`, :meth:`before_step` (the
    gradient is complete and not yet clipped) and :meth:`after_step`; at the end of the training :meth:`finish`.
    """

    def prepare(self, model: nn.Module) -> None:
        """Change the model before the optimizer is made."""

    def start(self, model: nn.Module, optimizer: Optimizer) -> None:
        """The training begins, or goes on from a checkpoint."""

    def batches(self, progress: Progress, planned: int) -> int:
        """Micro-batches that make the next update; ``planned`` is what the recipe says."""
        return planned

    def before_update(self, progress: Progress) -> None:
        """The next update's first micro-batch is about to be computed."""

    def after_backward(self, progress: Progress, examples: int, share: float | None = None) -> None:
        """One micro-batch of ``examples`` has been propagated back, with this share of the update's gradient: that of
        its labelled tokens. ``None``: all micro-batches that were planned have the same.
        """

    def rate(self, progress: Progress) -> float:
        """What the learning rate is multiplied by for this update."""
        return 1.0

    def before_step(self, progress: Progress) -> None:
        """The gradient of an update is complete."""

    def after_step(self, progress: Progress) -> None:
        """The optimizer has changed the parameters."""

    def report(self) -> dict[str, float]:
        """Figures for the epoch's record, by name."""
        return {}

    def finish(self, model: nn.Module) -> None:
        """The training is over: leave the model as it is to be used."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep: tensors, numbers, strings, lists and dictionaries of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a kept state. Called after :meth:`prepare` and before parameters and optimizer are restored."""


class Hooks(Hook):
    """Several hooks as one, each called in turn."""

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        self.hooks = list(hooks)

    def prepare(self, model: nn.Module) -> None:
        for hook in self.hooks:
            hook.prepare(model)

    def start(self, model: nn.Module, optimizer: Optimizer) -> None:
        for hook in self.hooks:
            hook.start(model, optimizer)

    def batches(self, progress: Progress, planned: int) -> int:
        for hook in self.hooks:
            planned = hook.batches(progress, planned)
        return planned

    def before_update(self, progress: Progress) -> None:
        for hook in self.hooks:
            hook.before_update(progress)

    def after_backward(self, progress: Progress, examples: int, share: float | None = None) -> None:
        for hook in self.hooks:
            hook.after_backward(progress, examples, share)

    def rate(self, progress: Progress) -> float:
        factor = 1.0
        for hook in self.hooks:
            factor *= hook.rate(progress)
        return factor

    def before_step(self, progress: Progress) -> None:
        for hook in self.hooks:
            hook.before_step(progress)

    def after_step(self, progress: Progress) -> None:
        for hook in self.hooks:
            hook.after_step(progress)

    def report(self) -> dict[str, float]:
        return {name: value for hook in self.hooks for name, value in hook.report().items()}

    def finish(self, model: nn.Module) -> None:
        for hook in self.hooks:
            hook.finish(model)

    def state_dict(self) -> dict[str, Any]:
        return {str(number): hook.state_dict() for number, hook in enumerate(self.hooks)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for number, hook in enumerate(self.hooks):
            hook.load_state_dict(state[str(number)])


def optimizer_state(optimizer: Optimizer, parameter: Tensor) -> dict[str, Any]:
    """The optimizer's state of one parameter; empty before its first step."""
    found: dict[str, Any] = optimizer.state.get(parameter, {})
    return found
