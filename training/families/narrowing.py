"""A narrow BERT that starts from a wide one: its best channels, heads and neurons, fitted to what the wide one does.

Cutting a network's width to a third and training what is left from there throws away what the lost channels did. Two
steps keep most of it, with some thousand tokens of text and no gradient:

* Choosing. The hidden states' channels are those from which the others can be told best by a linear map: a pivoted
  Cholesky decomposition of their covariance over all layers takes, one after the other, the channel of which most is
  still unexplained. Each layer's heads and neurons are those whose contributions to the kept channels are the largest.
* Fitting. Layer by layer, every linear map is set by least squares so that, from what the narrow network really
  computes up to there, it comes as near as it can to what the wide one has in the kept channels, heads and neurons;
  likewise scale and shift of every layer normalisation. So errors of one layer are made good in the next, as far as
  they can be.

Least squares shrink towards the wide network's own weights (ridge), so nothing is overfitted to few tokens, and a
"narrow" network of full width is the wide one exactly.

Sources: He, Zhang & Sun 2017, "Channel Pruning for Accelerating Very Deep Neural Networks" (fitting what is left to the
outputs); Muralidharan et al. 2024, "Compact Language Models via Pruning and Knowledge Distillation" (importance from
activations); Higham 1990, "Analysis of the Cholesky Decomposition of a Semi-definite Matrix" (pivoting).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from gateway.errors import ConfigurationError
from training.families.catalogue import Shape

#: Strength of the shrinkage towards the wide network's weights, relative to the inputs' mean variance.
RIDGE = 0.01
#: Padded token ids and attention mask, both ``[rows, tokens]``.
Tokens = tuple[Tensor, Tensor]


def narrow(wide: nn.Module, shape: Shape, batches: Sequence[Tokens]) -> nn.Module:
    """A BERT of ``shape`` fitted to the first layers of ``wide`` on the tokens of ``batches``.

    Raises:
        ConfigurationError: ``wide`` is no BERT.
    """
    if not isinstance(wide, BertModel):
        raise ConfigurationError(f"only a BERT can be narrowed, and the base is a {type(wide).__name__}")
    config = copy.deepcopy(wide.config)
    config.num_hidden_layers, config.hidden_size = shape.layers, shape.width
    config.num_attention_heads, config.intermediate_size = shape.heads, shape.feed_forward
    slim = BertModel(config, add_pooling_layer=False)
    wide.eval()
    slim.eval()
    with torch.no_grad():
        _Fitting(wide, slim, batches).run()
    return slim


class _Fitting:
    """One narrowing: the wide network, the narrow one as far as it is fitted, and the channels that both share."""

    def __init__(self, wide: Any, slim: Any, batches: Sequence[Tokens]) -> None:
        self.wide, self.slim, self.batches = wide, slim, batches
        self.kept = torch.arange(slim.config.hidden_size)

    def run(self) -> None:
        """Fit the embeddings, then layer after layer."""
        layers = list(self.wide.encoder.layer)[: len(self.slim.encoder.layer)]
        norms = [self.wide.embeddings.LayerNorm]
        norms += [norm for layer in layers for norm in (layer.attention.output.LayerNorm, layer.output.LayerNorm)]
        found = observe(self.wide, self.batches, {str(number): norm for number, norm in enumerate(norms)})
        self.kept = choose_channels([output for _, output in found.values()], self.slim.config.hidden_size)
        narrow_layers = self.slim.encoder.layer
        # What is not fitted yet need not be computed.
        self.slim.encoder.layer = nn.ModuleList()
        self._embeddings()
        for own, layer in zip(narrow_layers, layers, strict=True):
            self.slim.encoder.layer.append(own)
            self._layer(own, layer)

    def _embeddings(self) -> None:
        wide, slim = self.wide.embeddings, self.slim.embeddings
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
            getattr(slim, name).weight.copy_(getattr(wide, name).weight[:, self.kept])
        _, target = self._wide(wide.LayerNorm)
        self._norm(slim.LayerNorm, wide.LayerNorm, target)

    def _layer(self, slim: Any, wide: Any) -> None:
        attention, output = wide.attention.self, wide.attention.output
        seen = observe(
            self.wide,
            self.batches,
            {
                "query": attention.query,
                "key": attention.key,
                "value": attention.value,
                "attended": output.dense,
                "between": output.LayerNorm,
                "up": wide.intermediate.dense,
                "down": wide.output.dense,
                "after": wide.output.LayerNorm,
            },
        )
        size = int(attention.attention_head_size)
        heads = best(seen["attended"][0], output.dense.weight[self.kept], slim.attention.self.num_attention_heads, size)
        inputs, _ = self._slim(slim.attention.self.query)
        for name in ("query", "key", "value"):
            target = seen[name][1][:, heads]
            self._linear(getattr(slim.attention.self, name), getattr(attention, name), heads, self.kept, inputs, target)
        self._residual(slim.attention.output, output, heads, seen["between"])
        neurons = best(seen["down"][0], wide.output.dense.weight[self.kept], slim.intermediate.dense.out_features, 1)
        inputs, _ = self._slim(slim.intermediate.dense)
        self._linear(
            slim.intermediate.dense, wide.intermediate.dense, neurons, self.kept, inputs, seen["up"][1][:, neurons]
        )
        self._residual(slim.output, wide.output, neurons, seen["after"])

    def _residual(self, slim: Any, wide: Any, columns: Tensor, seen: tuple[Tensor, Tensor]) -> None:
        """Fit a linear map whose output is added to its layer's input, and the normalisation of the sum.

        Args:
            seen: input and output of the wide network's normalisation.
        """
        total, normalised = seen
        for parameter in slim.dense.parameters():
            parameter.zero_()
        found = observe(self.slim, self.batches, {"dense": slim.dense, "norm": slim.LayerNorm})
        (inputs, _), (stream, _) = found["dense"], found["norm"]
        # What is added must also make good what the narrow network's own stream lacks.
        target = total[:, self.kept] - stream
        self._linear(slim.dense, wide.dense, self.kept, columns, inputs, target)
        self._norm(slim.LayerNorm, wide.LayerNorm, normalised)

    def _linear(self, slim: Any, wide: Any, rows: Tensor, columns: Tensor, inputs: Tensor, target: Tensor) -> None:
        weight, bias = fit_linear(inputs, target, wide.weight[rows][:, columns], wide.bias[rows])
        slim.weight.copy_(weight)
        slim.bias.copy_(bias)

    def _norm(self, slim: Any, wide: Any, target: Tensor) -> None:
        inputs, _ = self._slim(slim)
        normalised = functional.layer_norm(inputs, inputs.shape[-1:], eps=slim.eps)
        weight, bias = fit_scale(normalised, target[:, self.kept], wide.weight[self.kept], wide.bias[self.kept])
        slim.weight.copy_(weight)
        slim.bias.copy_(bias)

    def _wide(self, module: nn.Module) -> tuple[Tensor, Tensor]:
        return observe(self.wide, self.batches, {"": module})[""]

    def _slim(self, module: nn.Module) -> tuple[Tensor, Tensor]:
        return observe(self.slim, self.batches, {"": module})[""]


def observe(
    model: nn.Module, batches: Sequence[Tokens], modules: Mapping[str, nn.Module]
) -> dict[str, tuple[Tensor, Tensor]]:
    """What modules read and write of every token that is no padding: ``[tokens, channels]`` each."""
    found: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in modules}
    real = torch.empty(0)

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name].append((inputs[0][real], output[real]))

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        for ids, mask in batches:
            real = mask.bool()
            model(input_ids=ids, attention_mask=mask)
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: (torch.cat([inputs for inputs, _ in pairs]), torch.cat([output for _, output in pairs]))
        for name, pairs in found.items()
    }


def choose_channels(hidden: Sequence[Tensor], count: int) -> Tensor:
    """The ``count`` channels of hidden states ``[tokens, channels]`` that best explain the others, in order."""
    channels = hidden[0].shape[1]
    left = torch.zeros((channels, channels), dtype=torch.float64)
    for states in hidden:
        centred = states.double() - states.double().mean(0)
        left += centred.T @ centred / len(centred)
    taken = torch.zeros(channels, dtype=torch.bool)
    for _ in range(count):
        variances = left.diagonal().masked_fill(taken, -1.0)
        channel = int(variances.argmax())
        taken[channel] = True
        if (variance := float(left[channel, channel])) > 0:
            column = left[:, channel].clone()
            left -= torch.outer(column, column) / variance
    return taken.nonzero().flatten()


def best(activations: Tensor, weight: Tensor, count: int, size: int) -> Tensor:
    """Columns of ``weight`` ``[out, in]`` that belong to the ``count`` units of ``size`` which contribute most.

    A unit's contribution is the mean square of what its activations ``[tokens, in]`` add to the output.
    """
    own = activations.unflatten(-1, (-1, size))
    added = weight.unflatten(-1, (-1, size))
    # The mean of |Σ aᵢ wᵢ|² over a unit's channels, from their second moments.
    moments = torch.einsum("nui,nuj->uij", own, own).double() / len(activations)
    units = (moments * torch.einsum("oui,ouj->uij", added, added).double()).sum((1, 2))
    chosen = units.argsort(descending=True, stable=True)[:count].sort().values
    return (chosen[:, None] * size + torch.arange(size)).flatten()


def fit_linear(inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weight ``[out, in]`` and bias that bring ``inputs`` ``[tokens, in]`` nearest to ``targets`` ``[tokens, out]``,
    shrunk towards those given.
    """
    missing = targets - functional.linear(inputs, weight, bias)
    centre, level = inputs.mean(0), missing.mean(0)
    centred = inputs - centre
    products = (centred.T @ centred).double() / len(inputs)
    shared = (centred.T @ (missing - level)).double() / len(inputs)
    strength = RIDGE * float(products.diagonal().mean()) + 1e-12
    change = torch.linalg.solve(products + strength * torch.eye(len(products), dtype=torch.float64), shared).T.float()
    return weight + change, bias + level - change @ centre


def fit_scale(inputs: Tensor, targets: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift of each channel that bring ``inputs`` nearest to ``targets``, both ``[tokens, channels]``, shrunk
    towards those given.
    """
    inputs, missing = inputs.double(), (targets - (inputs * weight + bias)).double()
    centre, level = inputs.mean(0), missing.mean(0)
    centred = inputs - centre
    variance = centred.square().mean(0)
    strength = RIDGE * float(variance.mean()) + 1e-12
    change = (centred * (missing - level)).mean(0) / (variance + strength)
    return weight + change.float(), bias + (level - change * centre).float()
