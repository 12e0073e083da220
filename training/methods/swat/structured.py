"""Structured sparse training: channels and heads chosen on a schedule, computed on really smaller matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gateway.errors import ConfigurationError
from training.methods.hooks import optimizer_state
from training.methods.swat.groups import ChannelGroup, Slot
from training.methods.swat.topk import kept_count
from training.parallel import workers

Score = Literal["gradient", "magnitude"]
SCORES: tuple[str, ...] = get_args(Score)


class _Selection:
    """One group: the channels in use, and everything that belongs to the others until they are chosen again."""

    def __init__(self, group: ChannelGroup, keep: float) -> None:
        self.group = group
        self.kept = kept_count(keep, group.count)
        self.chosen = torch.arange(group.count)
        self.full = [slot.parameter.detach().clone() for slot in group.slots]
        self.buffers = [cast(Tensor, getattr(norm, name)).clone() for norm, name in group.buffers]
        # The optimizer's tensors of the same shape as a parameter, by their name, for all channels.
        self.states: list[dict[str, Tensor]] = [{} for _ in group.slots]
        self.importance = torch.zeros(group.count)
        self.expanded = True

    def _index(self, dimension: int, like: Tensor) -> tuple[Any, ...]:
        index = self.group.index(self.chosen).to(like.device)
        return (index,) if dimension == 0 else (slice(None), index)

    def store(self, optimizer: Optimizer | None) -> None:
        """Write what the chosen channels have learned back into the full tensors."""
        for slot, full, states in zip(self.group.slots, self.full, self.states, strict=True):
            index = self._index(slot.dimension, full)
            full[index] = slot.parameter.detach()
            for name, small in _shaped(optimizer, slot):
                states.setdefault(name, torch.zeros_like(full, dtype=small.dtype))[index] = small
        for (norm, name), full in zip(self.group.buffers, self.buffers, strict=True):
            full[self._index(0, full)] = cast(Tensor, getattr(norm, name))

    def load(self, optimizer: Optimizer | None) -> None:
        """Make the parameters those of the chosen channels alone."""
        for slot, full, states in zip(self.group.slots, self.full, self.states, strict=True):
            parameter, index = slot.parameter, self._index(slot.dimension, full)
            gradient = parameter.grad
            # A gradient of all channels, that the parameter has while expanded, is cut with it.
            if gradient is not None and gradient.shape == full.shape:
                parameter.grad = None
                parameter.data = full[index].contiguous()
                parameter.grad = gradient[index].contiguous()
            else:
                parameter.grad = None
                parameter.data = full[index].contiguous()
            if optimizer is not None:
                state = optimizer_state(optimizer, parameter)
                state.update({name: values[index].contiguous() for name, values in states.items()})
        for (norm, name), full in zip(self.group.buffers, self.buffers, strict=True):
            setattr(norm, name, full[self._index(0, full)].contiguous())
        self.group.resize(len(self.chosen))
        self.expanded = False

    def expand(self) -> None:
        """Make the parameters those of all channels, for a batch that tells what the others would be worth."""
        for slot, full in zip(self.group.slots, self.full, strict=True):
            slot.parameter.grad = None
            slot.parameter.data = full.clone()
        for (norm, name), full in zip(self.group.buffers, self.buffers, strict=True):
            setattr(norm, name, full.clone())
        self.group.resize(self.group.count)
        self.expanded = True

    def magnitude(self) -> Tensor:
        """Product of the norms of a channel's weights into and out of it, over producers and consumer."""
        score = torch.ones(self.group.count)
        for slot, full in zip(self.group.slots, self.full, strict=True):
            if slot.name == "weight" and full.dim() > 1:
                by_output = full.movedim(slot.dimension, 0).flatten(1).float().cpu()
                score *= by_output.reshape(self.group.count, -1).norm(dim=1)
        return score

    def choose(self, scores: Tensor) -> None:
        order = torch.argsort(scores, descending=True, stable=True)
        self.chosen = order[: self.kept].sort().values


def _shaped(optimizer: Optimizer | None, slot: Slot) -> list[tuple[str, Tensor]]:
    """The optimizer's tensors that have one value a weight: moments, not step counts."""
    if optimizer is None:
        return []
    state = optimizer_state(optimizer, slot.parameter)
    return [
        (name, value)
        for name, value in state.items()
        if isinstance(value, Tensor) and value.shape == slot.parameter.shape
    ]


class StructuredSwat:
    """Trains with a share of each group's channels; the matrices are those of the chosen channels, nothing is masked.

    Call :meth:`before_update`, then forward and backward passes, then :meth:`before_step`, the optimizer's step, and
    :meth:`after_step`. Let go of an update's loss and outputs before the next :meth:`before_update`: a graph that is
    kept alive holds parameters to the sizes they had. Every ``period`` updates, until ``until`` updates have been made,
    one update computes all channels, with the output of those not chosen at zero: the loss and all gradients are those
    of the small model, and the derivative with respect to each channel's gate tells what it is worth (chosen ones: what
    is lost without them; others: what they would bring). Then the best are chosen again. A channel that comes back has
    the weights and the optimizer's moments with which it left.

    Args:
        groups: what may be left out; see :func:`training.methods.swat.groups.find_groups`.
        keep: the share of each group's channels that is kept, ceil(keep · count).
        period: updates between two choices; 0 chooses once and keeps that choice.
        until: the last choice is made before this update.
        score: ``gradient``: mean |∂loss/∂gate| an example; ``magnitude``: product of the norms of a channel's weights.

    Sources: Raihan & Aamodt 2020 (top-K of channels on a schedule); Michel, Levy & Neubig 2019, "Are Sixteen Heads
    Really Better than One?" (the gate's derivative); Evci et al. 2020 (gradients tell what to grow).
    """

    def __init__(
        self,
        groups: Sequence[ChannelGroup],
        keep: float,
        *,
        period: int = 100,
        until: int = 2**31,
        score: Score = "gradient",
    ) -> None:
        if score not in SCORES:
            raise ConfigurationError(f"swat: score must be one of {', '.join(SCORES)}, found {score}")
        if period < 0 or until < 1:
            raise ConfigurationError("swat: period must be at least 0 and until at least 1")
        self.period, self.until, self.score = period, until, score
        self.updates = 0
        self.optimizer: Optimizer | None = None
        self._selections = [_Selection(group, keep) for group in groups]
        self._gates: list[tuple[_Selection, Tensor]] = []
        self._handles: list[Any] = []

    @property
    def chosen(self) -> dict[str, list[int]]:
        """The channels in use, by group."""
        return {selection.group.name: selection.chosen.tolist() for selection in self._selections}

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Channels in use and channels there were, by group."""
        return {item.group.name: (len(item.chosen), item.group.count) for item in self._selections}

    def start(self, optimizer: Optimizer) -> None:
        """The optimizer whose moments go with the channels."""
        self.optimizer = optimizer

    def _due(self) -> bool:
        if self.updates == 0:
            return True
        return bool(self.period) and self.updates % self.period == 0 and self.updates < self.until

    def before_update(self) -> None:
        """Before the forward passes of an update: if a choice is due, compute all channels in it."""
        if not self._due():
            return
        for selection in self._selections:
            selection.importance.zero_()
            if not selection.expanded:
                selection.store(self.optimizer)
                selection.expand()
            hook = self._gate_hook(selection)
            self._handles.append(selection.group.consumer.register_forward_pre_hook(hook))

    def _gate_hook(self, selection: _Selection) -> Any:
        group = selection.group

        def gate(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if not (module.training and torch.is_grad_enabled()):
                return None
            values = inputs[0]
            mask = torch.zeros(group.count, device=values.device)
            mask[selection.chosen.to(values.device)] = 1.0
            # One gate an example: derivatives of opposite sign must not cancel.
            gates = mask.expand(len(values), -1).clone().requires_grad_()
            self._gates.append((selection, gates))
            shape = [len(values)] + [1] * (values.dim() - 1)
            shape[group.channel_dimension] = group.count * group.unit
            return (values * gates.repeat_interleave(group.unit, dim=1).view(shape).to(values.dtype), *inputs[1:])

        return gate

    def after_backward(self) -> None:
        """After each backward pass: add up what it says about the channels."""
        for selection, gates in self._gates:
            if gates.grad is not None:
                selection.importance += gates.grad.abs().sum(0).cpu()
        self._gates.clear()

    def before_step(self) -> None:
        """Before clipping and the optimizer's step: cut parameters and gradients to the channels in use."""
        if not self._handles:
            return
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for selection in self._selections:
            # All processes of a training choose alike: by what their batches say together.
            selection.importance = torch.tensor(workers().summed(selection.importance.tolist()))
            for slot, full in zip(selection.group.slots, selection.full, strict=True):
                full.copy_(slot.parameter.detach())
            for (norm, name), full in zip(selection.group.buffers, selection.buffers, strict=True):
                # While all channels are computed, those not chosen collect statistics too.
                full.copy_(cast(Tensor, getattr(norm, name)))
            if self.updates == 0:
                self._choose(selection)
            selection.load(self.optimizer)

    def _choose(self, selection: _Selection) -> None:
        scores = selection.importance if self.score == "gradient" else selection.magnitude()
        selection.choose(scores)

    def after_step(self) -> None:
        """After the optimizer's step: take the channels that the update found to be best."""
        due = self._due()
        if due and self.updates:
            for selection in self._selections:
                selection.store(self.optimizer)
                self._choose(selection)
                selection.load(self.optimizer)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Choices, and the weights and moments of channels not in use."""
        return {
            "updates": self.updates,
            "groups": {
                selection.group.name: {
                    "chosen": selection.chosen,
                    "full": selection.full,
                    "buffers": selection.buffers,
                    "states": selection.states,
                    "importance": selection.importance,
                    "expanded": selection.expanded,
                }
                for selection in self._selections
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a kept state; parameters get their sizes, and the checkpoint then fills them."""
        self.updates = state["updates"]
        for selection in self._selections:
            kept = state["groups"][selection.group.name]
            selection.chosen = kept["chosen"].clone()
            # A checkpoint is read into memory, and the model may be on a GPU.
            devices = [slot.parameter.device for slot in selection.group.slots]
            selection.full = [item.clone().to(device) for item, device in zip(kept["full"], devices, strict=True)]
            selection.buffers = [
                item.clone().to(buffer.device) for item, buffer in zip(kept["buffers"], selection.buffers, strict=True)
            ]
            selection.states = [
                {name: item.clone().to(device) for name, item in states.items()}
                for states, device in zip(kept["states"], devices, strict=True)
            ]
            selection.importance = kept["importance"].clone()
            if kept["expanded"]:
                selection.expand()
            else:
                selection.load(None)
