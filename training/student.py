"""Training the student: a small encoder, all of whose weights learn from labels and from the teacher's
probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from gateway.tiers.large.network import FieldTagger, load_encoder
from training.examples import Example
from training.loop import Vocabulary, train
from training.recipe import StudentRecipe


def build(recipe: StudentRecipe, base: Path, fields: int) -> FieldTagger:
    """The first layers of the base with fresh heads; no dropout in the encoder (see :mod:`training.loop`)."""
    torch.manual_seed(recipe.loop.seed)
    encoder = load_encoder(base, layers=recipe.layers)
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return FieldTagger(encoder, fields)


def train_student(
    network: FieldTagger,
    examples: Sequence[Example],
    recipe: StudentRecipe,
    vocabulary: Vocabulary,
    checkpoint: Path | None,
    evaluate: Callable[[nn.Module, int], str] | None = None,
    description: str = "student",
    inputs: str = "",
) -> list[dict[str, float]]:
    """Train all weights; see :func:`training.loop.train`. Unlabelled examples carry only ``soft`` targets."""
    return train(
        network,
        examples,
        recipe.loop,
        vocabulary,
        checkpoint=checkpoint,
        inputs=inputs,
        description=description,
        evaluate=evaluate,
    )
