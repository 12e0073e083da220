"""The token classifier both model tiers are, in torch: a shared encoder and one begin/inside/outside head a field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

TAGS = ("outside", "begin", "inside")


class FieldTagger(nn.Module):
    """Encoder plus independent heads, because fields overlap.

    Args:
        encoder: a Hugging Face encoder whose first output is ``[batch, tokens, hidden]``.
        fields: the number of fields.
    """

    def __init__(self, encoder: nn.Module, fields: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        config: Any = encoder.config
        self.fields = fields
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden_size, fields * len(TAGS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits ``[batch, tokens, fields, 3]`` for outside, begin, inside.

        Args:
            input_ids, attention_mask: ``[batch, tokens]`` int64.
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        logits: Tensor = self.head(self.dropout(hidden))
        return logits.unflatten(-1, (self.fields, len(TAGS)))


def load_encoder(directory: Path, *, layers: int | None = None) -> nn.Module:
    """The encoder of a base in ``directory`` (config.json, model.safetensors), without its pooler.

    ``layers`` keeps only the first layers: a smaller student that still starts from trained weights.
    """
    config = AutoConfig.from_pretrained(directory)
    if layers is not None:
        config.num_hidden_layers = layers
    encoder: nn.Module = AutoModel.from_pretrained(
        directory, config=config, add_pooling_layer=False, dtype=torch.float32
    )
    return encoder
