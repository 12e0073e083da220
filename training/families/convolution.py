"""A convolutional encoder with batch normalisation, in which padding changes nothing.

Dilated convolutions over tokens: each layer sees a token and one on either side, 1, 2, 4 or 8 tokens away, so that a
few layers see some dozens of tokens (Strubell et al. 2017, "Fast and Accurate Entity Recognition with Iterated Dilated
Convolutions"). Each convolution is written as one matrix product over three shifted copies, which dynamic int8
quantisation knows and a convolution it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.methods.ghost_norm.norm import GhostBatchNorm

#: How far apart the tokens are that a layer sees, layer after layer, over and over.
DILATIONS = (1, 2, 4, 8)


@dataclass(frozen=True)
class ConvConfig:
    """What a tagger asks of its encoder."""

    hidden_size: int


class MaskedBatchNorm(nn.Module):
    """Batch normalisation of ``[batch, tokens, channels]`` over the tokens that are no padding.

    Parameters and statistics are those of the ``nn.BatchNorm1d`` within. Where ghost batch normalisation has been
    applied to it, each ghost is a part of the batch's examples, with all their tokens.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, values: Tensor, real: Tensor) -> Tensor:
        """Normalised values; what they are at padding means nothing.

        Args:
            real: ``[batch, tokens]`` booleans, ``False`` for padding.
        """
        norm = self.norm
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        if not self.training:
            # Two operations a token, on vectors that an exporter computes beforehand.
            scale = norm.weight * torch.rsqrt(variance + norm.eps)
            return values * scale + (norm.bias - mean * scale)
        parts = -(-len(values) // norm.ghost) if isinstance(norm, GhostBatchNorm) else 1
        cast(Tensor, norm.num_batches_tracked).add_(1)
        momentum = cast(float, norm.momentum) / parts
        normalised = torch.zeros_like(values, dtype=torch.float32)
        for rows in torch.arange(len(values)).tensor_split(parts):
            own = real[rows]
            seen = functional.batch_norm(
                values[rows][own].float(), mean, variance, norm.weight, norm.bias, True, momentum, norm.eps
            )
            places = torch.zeros_like(real)
            places[rows] = own
            normalised[places] = seen
        return normalised


class ConvLayer(nn.Module):
    """x + ReLU(norm(convolution(x))), with three tokens in a convolution."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.mix = nn.Linear(3 * width, width, bias=False)
        self.norm = MaskedBatchNorm(width)
        # ReLU halves what a random matrix lets through.
        nn.init.kaiming_normal_(self.mix.weight, nonlinearity="relu")

    def forward(self, hidden: Tensor, real: Tensor) -> Tensor:
        """``[batch, tokens, width]`` to the same; padding stays zero."""
        step = self.dilation
        padded = functional.pad(hidden, (0, 0, step, step))
        # What lies beyond an end is zero, as padding is, so that neither tells of the other.
        near = torch.cat((padded[:, : -2 * step], hidden, padded[:, 2 * step :]), dim=-1)
        update = functional.relu(self.norm(self.mix(near), real))
        return (hidden + update) * real.unsqueeze(-1)


class ConvEncoder(nn.Module):
    """Embeddings and convolutions, called as a Hugging Face encoder is.

    Args:
        embeddings: ``[pieces, width]`` to start from.
        layers: convolutions.
    """

    def __init__(self, embeddings: Tensor, layers: int) -> None:
        super().__init__()
        width = embeddings.shape[1]
        self.config = ConvConfig(width)
        self.embeddings = nn.Embedding.from_pretrained(embeddings.clone(), freeze=False)
        self.norm = MaskedBatchNorm(width)
        self.layers = nn.ModuleList(ConvLayer(width, DILATIONS[layer % len(DILATIONS)]) for layer in range(layers))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor]:
        """Hidden states ``[batch, tokens, width]``, zero at padding."""
        real = attention_mask.bool()
        hidden = self.norm(self.embeddings(input_ids), real) * real.unsqueeze(-1)
        for layer in self.layers:
            hidden = layer(hidden, real)
        return (hidden,)


def principal_components(table: Tensor, width: int) -> Tensor:
    """A table ``[rows, channels]`` in its first ``width`` principal components, scaled to a mean variance of 1."""
    centred = table.double() - table.double().mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    order = values.argsort(descending=True)[:width]
    # An eigenvector's sign is arbitrary: the largest entry is made positive, so that all machines agree.
    axes = vectors[:, order]
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    projected = centred @ axes
    return (projected / projected.square().mean().sqrt().clamp(min=1e-12)).float()
