"""Reading a low-rank adapter and merging it into its base.

``models/<task>/large/`` holds ``adapter.safetensors`` (for each adapted linear layer ``<layer>.lora_A``
``[rank, in]`` and ``<layer>.lora_B`` ``[out, rank]``; the head as ``head.weight`` and ``head.bias``) and
``config.json`` (base, rank, alpha, fields, digests). Merging adds (alpha / rank) · B A to the layer's weight, so
serving costs nothing extra. Source: Hu et al. 2021, "LoRA".
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from gateway.errors import ModelCorrupt
from gateway.tiers.large.network import FieldTagger, load_encoder
from gateway.tiers.student import TaggerConfig

ADAPTER = "adapter.safetensors"


def load_merged(directory: Path, base: Path) -> FieldTagger:
    """The large tier's network: base weights plus adapter, and the head; in evaluation mode, float32.

    Args:
        directory: the adapter's directory.
        base: the fetched base.

    Raises:
        ModelCorrupt: adapter and base do not fit.
    """
    config = TaggerConfig.load(directory)
    tensors = load_file(directory / ADAPTER)
    network = FieldTagger(load_encoder(base), len(config.fields))
    scale = float(config.raw["alpha"]) / float(config.raw["rank"])
    layers = dict(network.encoder.named_modules())
    adapted = sorted({name.rsplit(".", 1)[0] for name in tensors if ".lora_" in name})
    with torch.no_grad():
        for name in adapted:
            layer = layers.get(name)
            if not isinstance(layer, torch.nn.Linear):
                raise ModelCorrupt(f"{directory}: the base has no linear layer {name!r}")
            low, high = tensors[f"{name}.lora_A"].float(), tensors[f"{name}.lora_B"].float()
            if (high.shape[0], low.shape[1]) != tuple(layer.weight.shape):
                raise ModelCorrupt(f"{directory}: layer {name!r} has another shape in the base")
            layer.weight += scale * (high @ low)
        network.head.weight.copy_(tensors["head.weight"].float())
        network.head.bias.copy_(tensors["head.bias"].float())
    return network.eval()
