"""Channels and heads that can be left out of a network as a whole: which rows and columns belong to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from gateway.errors import ConfigurationError

#: Layers of a Hugging Face BERT, whose heads and feed-forward channels are known by these names.
_ATTENTION = ("attention.self.query", "attention.self.key", "attention.self.value")
_ATTENTION_OUTPUT, _UP, _DOWN = "attention.output.dense", "intermediate.dense", "output.dense"


@dataclass(frozen=True)
class Slot:
    """One parameter of a group and the dimension along which its channels lie."""

    module: nn.Module
    name: str
    dimension: int

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter; it stays the same object while its size changes."""
        return cast(nn.Parameter, getattr(self.module, self.name))


class ChannelGroup:
    """``count`` channels (or heads of ``unit`` channels each) that producers write and one consumer reads.

    Leaving out channel i removes row i of every producer and column i of the consumer: what the rest computes is what
    it computed with the channel's output at zero.

    Args:
        name: for reports.
        producers: linear layers or convolutions whose outputs are the channels.
        consumer: the linear layer or convolution that reads them.
        unit: outputs a channel has (64 for a head of 64).
        norms: batch normalisations between them, one value a channel.
    """

    def __init__(
        self,
        name: str,
        producers: list[nn.Module],
        consumer: nn.Module,
        *,
        unit: int = 1,
        norms: tuple[nn.Module, ...] = (),
        heads: nn.Module | None = None,
    ) -> None:
        self.name, self.producers, self.consumer, self.unit, self.norms = name, producers, consumer, unit, norms
        self.heads = heads
        widths = {_outputs(layer) for layer in producers} | {_inputs(consumer)} | {_features(norm) for norm in norms}
        if len(widths) != 1 or widths.pop() % unit:
            raise ConfigurationError(f"swat: {name}: producers and consumer do not share the same channels")
        self.count = _inputs(consumer) // unit
        self.slots = [
            Slot(module, parameter, dimension)
            for module, dimension in [*((layer, 0) for layer in (*producers, *norms)), (consumer, 1)]
            for parameter in (("weight", "bias") if dimension == 0 else ("weight",))
            if getattr(module, parameter, None) is not None
        ]
        #: Statistics that belong to channels and are no parameters.
        self.buffers = [
            (norm, name)
            for norm in norms
            for name in ("running_mean", "running_var")
            if norm._buffers.get(name) is not None
        ]

    def index(self, channels: Tensor) -> Tensor:
        """Positions of these channels in the producers' outputs."""
        return (channels[:, None] * self.unit + torch.arange(self.unit)).flatten()

    def resize(self, channels: int) -> None:
        """Tell the modules how many channels their parameters now have."""
        width = channels * self.unit
        for layer in self.producers:
            setattr(layer, "out_features" if isinstance(layer, nn.Linear) else "out_channels", width)
        for norm in self.norms:
            cast(Any, norm).num_features = width
        setattr(self.consumer, "in_features" if isinstance(self.consumer, nn.Linear) else "in_channels", width)
        if self.heads is not None:
            heads: Any = self.heads
            heads.num_attention_heads, heads.all_head_size = channels, width

    @property
    def channel_dimension(self) -> int:
        """Where the channels lie in the consumer's input."""
        return -1 if isinstance(self.consumer, nn.Linear) else 1


def _outputs(layer: nn.Module) -> int:
    return int(cast(nn.Parameter, layer.weight).shape[0])


def _inputs(layer: nn.Module) -> int:
    if isinstance(layer, nn.Conv2d) and layer.groups != 1:
        raise ConfigurationError("swat: grouped convolutions cannot lose channels")
    return int(cast(nn.Parameter, layer.weight).shape[1])


def _features(norm: nn.Module) -> int:
    return int(cast(Any, norm).num_features)


def _module(root: nn.Module, path: str) -> nn.Module | None:
    try:
        return root.get_submodule(path)
    except AttributeError:
        return None


def find_groups(model: nn.Module, *, heads: bool = True, channels: bool = True) -> list[ChannelGroup]:
    """The groups of a model that are known without being told: heads and feed-forward channels of BERT-like layers.

    For anything else make a :class:`ChannelGroup` by hand.

    Raises:
        ConfigurationError: nothing was found.
    """
    groups: list[ChannelGroup] = []
    for name, module in model.named_modules():
        query, key, value = (_module(module, path) for path in _ATTENTION)
        output, up, down = (_module(module, path) for path in (_ATTENTION_OUTPUT, _UP, _DOWN))
        if heads and query is not None and key is not None and value is not None and output is not None:
            attention = module.get_submodule("attention.self")
            size = int(cast(Any, attention).attention_head_size)
            groups.append(ChannelGroup(f"{name}.heads", [query, key, value], output, unit=size, heads=attention))
        if channels and up is not None and down is not None:
            groups.append(ChannelGroup(f"{name}.channels", [up], down))
    if not groups:
        raise ConfigurationError("swat: no heads or feed-forward channels of a known kind; name the groups yourself")
    return groups
