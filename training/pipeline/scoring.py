"""Scores of labelled documents for pruning, by the methods of :mod:`training.data.select`.

Those that need a model's opinion get it from short trainings of the recipe's student on the labels alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gateway.document import Span
from gateway.tiers.encoding import Encoding, TextEncoder
from gateway.tiers.large.network import FieldTagger, load_encoder
from training import large, student
from training.data.select.filter import combined_filter
from training.data.select.prototypes import prototypes
from training.data.select.scores import EpochRecorder, per_document
from training.data.select.taggers import Doubting, Place, apart, at_places, least_certain, tagger_margins
from training.examples import BEGIN, INSIDE, Example, token_range
from training.recipe import StudentRecipe
from training.teacher import token_probabilities

Scores = NDArray[np.float64]
#: Epochs of a scoring model, at most: el2n is meant for probabilities early in training.
EPOCHS = 4
#: Models of an ensemble, and random answers of one model.
ENSEMBLE, ANSWERS = 3, 5


@dataclass(frozen=True)
class Material:
    """What scores are made from: the documents' tokens, where their values stand, and how to learn from them."""

    encodings: Sequence[Encoding]
    spans: Sequence[Mapping[str, Sequence[Span]]]
    fields: Sequence[str]
    examples: Sequence[Example]
    encoder: TextEncoder
    base: Path
    recipe: StudentRecipe
    device: torch.device

    @property
    def pad(self) -> int:
        return large.special_tokens(self.base / "tokenizer.json").pad


def scores_of(method: str, material: Material, seed: int) -> Scores | None:
    """One score a document; ``None`` for ``random``, which needs none."""
    if method == "random":
        return None
    return _MAKERS[method](material, seed)


def _prototypes(material: Material, seed: int) -> Scores:
    encoder = load_encoder(material.base).to(material.device).eval()
    vectors = []
    with torch.inference_mode():
        for encoding in material.encodings:
            ids = torch.from_numpy(material.encoder.windows(encoding)[0].ids)[None].to(material.device)
            vectors.append(encoder(input_ids=ids, attention_mask=torch.ones_like(ids))[0].mean(1)[0].float().cpu())
    clusters = max(1, min(len(vectors), round(len(vectors) ** 0.5)))
    return prototypes(torch.stack(vectors).numpy(), clusters, seed=seed).distance


def _el2n(material: Material, seed: int) -> Scores:
    return _of_epochs(material, seed, EpochRecorder.el2n)


def _forgetting(material: Material, seed: int) -> Scores:
    return _of_epochs(material, seed, EpochRecorder.forgetting)


def _dispersion(material: Material, seed: int) -> Scores:
    return _of_epochs(material, seed, EpochRecorder.label_dispersion)


def _of_epochs(material: Material, seed: int, score: Callable[[EpochRecorder], Scores]) -> Scores:
    """What one training, epoch by epoch, says of every annotated token; a document's score is that of its hardest."""
    targets = np.concatenate([_targets(material, index).reshape(-1) for index in range(len(material.encodings))])
    owners = np.repeat(np.arange(len(material.encodings)), [len(one) for one in material.encodings])
    owners = np.repeat(owners, len(material.fields))
    annotated = targets >= 0
    recorder = EpochRecorder(targets[annotated])

    def record(network: nn.Module, _epoch: int) -> str:
        found = np.concatenate([one.reshape(-1, 3) for one in _probabilities(material, network)])
        recorder.add(found[annotated])
        return ""

    _trained(material, seed, record)
    return per_document(score(recorder), owners[annotated].tolist(), len(material.encodings), "max")


def _disagreement(material: Material, seed: int) -> Scores:
    return apart([_probabilities(material, _trained(material, seed + number)) for number in range(ENSEMBLE)])


def _margin(material: Material, seed: int) -> Scores:
    network = _trained(material, seed)
    return _margins(material, network, least_certain(_probabilities(material, network)))


def _combined(material: Material, seed: int) -> Scores:
    networks = [_trained(material, seed + number) for number in range(ENSEMBLE)]
    standard = [_probabilities(material, network) for network in networks]
    # All opinions are about the same place of a document: where the first model is least certain.
    places = least_certain(standard[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        answers = [_probabilities(material, Doubting(networks[0])) for _ in range(ANSWERS)]
    return combined_filter(
        standard=np.stack([at_places(model, places) for model in standard]),
        probabilistic=np.stack([at_places(answer, places) for answer in answers]),
        margins=_margins(material, networks[0], places),
        seed=seed,
    )


_MAKERS: Mapping[str, Callable[[Material, int], Scores]] = {
    "prototypes": _prototypes,
    "el2n": _el2n,
    "forgetting": _forgetting,
    "dispersion": _dispersion,
    "disagreement": _disagreement,
    "margin": _margin,
    "combined": _combined,
}


def _trained(material: Material, seed: int, evaluate: Callable[[nn.Module, int], str] | None = None) -> FieldTagger:
    """A student that has learned from the labels for a few epochs."""
    loop = material.recipe.loop
    loop = replace(loop, epochs=min(EPOCHS, loop.epochs), soft_weight=0.0, seed=loop.seed + seed, methods=())
    recipe = replace(material.recipe, size="", loop=loop)
    network = student.build(recipe, material.base, len(material.fields))
    vocabulary = large.special_tokens(material.base / "tokenizer.json")
    student.train_student(
        network, material.examples, recipe, vocabulary, None, evaluate, "scoring model", device=material.device
    )
    return network


def _probabilities(material: Material, network: nn.Module) -> list[NDArray[np.float32]]:
    return token_probabilities(network, material.encoder, material.encodings, material.pad, description="scoring")


def _targets(material: Material, index: int) -> NDArray[np.int64]:
    """``[tokens, fields]`` tags of a document; -1 where a field is not annotated."""
    encoding, spans = material.encodings[index], material.spans[index]
    found = np.full((len(encoding), len(material.fields)), -1, dtype=np.int64)
    for column, name in enumerate(material.fields):
        if name not in spans:
            continue
        found[:, column] = 0
        for start, end in spans[name]:
            tokens = token_range(encoding.offsets, start, end)
            if tokens is not None:
                found[tokens[0] : tokens[1], column] = INSIDE
                found[tokens[0], column] = BEGIN
    return found


def _margins(material: Material, network: FieldTagger, places: Sequence[Place]) -> Scores:
    lengths = [len(encoding) for encoding in material.encodings]
    return tagger_margins(network, partial(_window_at, material), places, material.pad, lengths)


def _window_at(material: Material, index: int, token: int) -> tuple[NDArray[np.int64], int]:
    """The window of a document that holds a token, and the token's place in it."""
    windows = material.encoder.windows(material.encodings[index])
    window = next((one for one in windows if one.start <= token < one.end), windows[0])
    return window.ids, token - window.start + window.lead
