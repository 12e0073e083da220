"""Training the large tier: a low-rank adapter and heads on a frozen base."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from gateway.evaluation.dataset import file_digest
from gateway.files import replacing, write_json
from gateway.tiers.encoding import LINE_BREAK, TextEncoder
from gateway.tiers.large.adapter import ADAPTER
from gateway.tiers.large.network import FieldTagger, load_encoder
from training.device import half_helps
from training.examples import Example
from training.loop import Evaluate, Record, Vocabulary, train
from training.priors import set_priors
from training.recipe import LargeRecipe, Recipe

#: Every linear layer of BERT- and MPNet-like encoders.
ADAPTED = (
    r".*(attn\.[qkvo]|attention\.self\.(query|key|value)|attention\.output\.dense|intermediate\.dense|output\.dense)"
)
_PREFIX = "base_model.model."


def build(recipe: LargeRecipe, base: Path, fields: int, device: torch.device | str = "cpu") -> FieldTagger:
    """The network to train: frozen base, adapters and head in float32, no dropout in the encoder.

    The base is kept in bfloat16 where the device computes in it. The base's dropout is switched off because it doubles
    the time of a training step on a CPU; token noise stands in for it.
    """
    torch.manual_seed(recipe.loop.seed)
    encoder = load_encoder(base)
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    adapted: Any = get_peft_model(
        encoder,
        LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=0.0, target_modules=ADAPTED),
    )
    network = FieldTagger(adapted, fields)
    if half_helps(torch.device(device).type):
        for parameter in network.parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.bfloat16()
    return network


def train_large(
    network: FieldTagger,
    examples: Sequence[Example],
    recipe: LargeRecipe,
    vocabulary: Vocabulary,
    checkpoint: Path,
    evaluate: Evaluate | None = None,
    inputs: str = "",
    device: torch.device | str = "cpu",
    remaining: Callable[[float], str] | None = None,
) -> list[Record]:
    """Train adapters and head; see :func:`training.loop.train`."""
    set_priors(network.head, examples)
    return train(
        network,
        examples,
        recipe.loop,
        vocabulary,
        checkpoint=checkpoint,
        inputs=inputs,
        description="large",
        evaluate=evaluate,
        device=device,
        remaining=remaining,
    )


def save_adapter(
    network: FieldTagger,
    recipe: Recipe,
    fields: Sequence[str],
    pad_id: int,
    tokenizer: Path,
    base_sha256: str,
    directory: Path,
    *,
    context_tokens: int = 0,
) -> None:
    """Write adapter.safetensors (float16), tokenizer.json and, last, config.json: it never names missing files."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for name, parameter in network.named_parameters():
        if name.startswith("head."):
            tensors[name] = parameter.detach().float().cpu().contiguous()
        elif ".lora_" in name:
            # encoder.base_model.model.<layer>.lora_A.default.weight → <layer>.lora_A
            layer = name.removeprefix("encoder.").removeprefix(_PREFIX).removesuffix(".default.weight")
            tensors[layer] = parameter.detach().half().cpu().contiguous()
    with replacing(directory / ADAPTER) as temporary:
        save_file(tensors, temporary)
    with replacing(directory / "tokenizer.json") as temporary:
        temporary.write_bytes(tokenizer.read_bytes())
    write_json(
        directory / "config.json",
        {
            "kind": "adapter",
            "base": recipe.large.base,
            "base_sha256": base_sha256,
            "rank": recipe.large.rank,
            "alpha": recipe.large.alpha,
            "fields": list(fields),
            "window": recipe.window,
            "stride": recipe.stride,
            "context_tokens": context_tokens,
            "pad_id": pad_id,
            "mode": "int8",
            "digests": {name: file_digest(directory / name) for name in (ADAPTER, "tokenizer.json")},
        },
    )


def special_tokens(tokenizer: Path) -> Vocabulary:
    """The special tokens of a tokenizer, whatever it calls them; the line break counts as one: noise must not hide
    lines.
    """
    loaded = Tokenizer.from_file(str(tokenizer))

    def first(*names: str) -> int:
        for name in names:
            identifier = loaded.token_to_id(name)
            if identifier is not None:
                return int(identifier)
        raise ValueError(f"{tokenizer}: has none of {names}")

    encoder = TextEncoder(tokenizer)
    pad = first("<pad>", "[PAD]")
    special = (encoder.first_id, encoder.last_id, pad, first(LINE_BREAK))
    return Vocabulary(pad, first("<mask>", "[MASK]"), special)
