"""Training the student: a small encoder, all of whose weights learn from labels and from the teacher's
probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from gateway.tiers.large.network import FieldTagger, load_encoder
from training.examples import Example
from training.families import build_student, find_family
from training.loop import Evaluate, Record, Vocabulary, train
from training.priors import set_priors
from training.recipe import StudentRecipe


def build(
    recipe: StudentRecipe, base: Path, fields: int, *, tokenizer: Path | None = None, texts: Sequence[str] = ()
) -> FieldTagger:
    """The student to be trained, with fresh heads and no dropout in the encoder (see :mod:`training.loop`).

    Args:
        recipe: its ``size`` is empty, for the base's first layers, or a family's name.
        tokenizer: the family's own, where it has one.
        texts: what a narrow family is fitted to its base on.
    """
    if recipe.size:
        return build_student(recipe.size, base, fields, seed=recipe.loop.seed, tokenizer=tokenizer, texts=texts)
    torch.manual_seed(recipe.loop.seed)
    encoder = load_encoder(base, layers=recipe.layers)
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return FieldTagger(encoder, fields)


def of_family(recipe: StudentRecipe, family: str) -> StudentRecipe:
    """The recipe for a family: its name, and its own learning rate where the recipe has the default one."""
    if not family:
        return recipe
    loop = recipe.loop
    if loop.learning_rate == StudentRecipe().loop.learning_rate:
        loop = replace(loop, learning_rate=find_family(family).learning_rate)
    return replace(recipe, size=family, loop=loop)


def train_student(
    network: FieldTagger,
    examples: Sequence[Example],
    recipe: StudentRecipe,
    vocabulary: Vocabulary,
    checkpoint: Path | None,
    evaluate: Evaluate | None = None,
    description: str = "student",
    inputs: str = "",
    device: torch.device | str = "cpu",
    remaining: Callable[[float], str] | None = None,
) -> list[Record]:
    """Train all weights; see :func:`training.loop.train`. Unlabelled examples carry only ``soft`` targets."""
    set_priors(network.head, examples)
    return train(
        network,
        examples,
        recipe.loop,
        vocabulary,
        checkpoint=checkpoint,
        inputs=inputs,
        description=description,
        evaluate=evaluate,
        device=device,
        remaining=remaining,
    )
