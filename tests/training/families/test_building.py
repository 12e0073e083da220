"""Students of every kind, from a base to what the gateway serves."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from gateway.document import Document
from gateway.tiers.encoding import TextEncoder
from gateway.tiers.forms import Forms
from gateway.tiers.large.network import load_encoder
from gateway.tiers.student import load_student
from tests.gateway.tiers.tiny import TASK
from training.export import export_student
from training.families import build_student, student_tokenizer
from training.large import special_tokens
from training.recipe import StudentRecipe
from training.student import build

TEXTS = ["kedai melur\ntea 3.00\ntotal rm 9.00", "shop 9", "melur " * 100]
#: A piece is kept that stands in two texts.
SEEN = TEXTS * 2
KINDS = ["truncated", "narrow", "conv"]


def make(small, kind, base, directory, seed=0, fields=2):
    family = small(kind)
    tokenizer = student_tokenizer(family, base, SEEN, directory / "new" / "tokenizer.json")
    return build_student(family, base, fields, seed=seed, tokenizer=tokenizer, texts=TEXTS), tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_built_is_exported_and_served(tiny_base, tmp_path, small, kind):
    network, tokenizer = make(small, kind, tiny_base, tmp_path)
    # A network that was trained: normalisations have seen something.
    encoder = TextEncoder(tokenizer, window=64, stride=16)
    encodings = [encoder.encode(text) for text in TEXTS]
    ids = torch.from_numpy(encoder.windows(encodings[0])[0].ids)[None]
    network.train()(ids, torch.ones_like(ids))
    vocabulary = special_tokens(tokenizer)
    config = {"kind": "student", "fields": list(TASK.fields), "window": 64, "stride": 16, "pad_id": vocabulary.pad}
    report = export_student(
        network, tokenizer, encoder, encodings, lambda _: 90.0, {**config, "family": kind}, tmp_path / "student"
    )
    assert report.parity < 1e-3
    assert json.loads((tmp_path / "student" / "config.json").read_text("utf-8"))["family"] == kind

    tier = load_student(tmp_path / "student", TASK, Forms(), threads=1)
    outputs = tier.propose([Document(text) for text in [*TEXTS, "ÄÖ 東京 zyx", ""]], list(TASK.fields))
    assert all(set(output.proposals) == set(TASK.fields) for output in outputs)
    with torch.inference_mode():
        expected = network.eval()(ids, torch.ones_like(ids)).softmax(-1)[0, 1:-1].numpy()
    assert np.allclose(tier.probabilities([tier.encoder.encode(TEXTS[0])])[0], expected, atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_and_dropout_is_off(tiny_base, tmp_path, small, kind):
    one, same, other = (make(small, kind, tiny_base, tmp_path, seed)[0] for seed in (0, 0, 1))
    assert all(torch.equal(left, right) for left, right in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)
    assert {module.p for module in one.encoder.modules() if isinstance(module, nn.Dropout)} <= {0.0}
    assert all(parameter.requires_grad for parameter in one.parameters())


def test_a_truncated_student_is_what_a_recipe_with_layers_builds(tiny_base, small):
    one = build_student(small("truncated"), tiny_base, 3, seed=0).state_dict()
    other = build(StudentRecipe(base="tiny", layers=1), tiny_base, 3).state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_kept_pieces_keep_their_rows(tiny_base, tmp_path, small):
    """A whole base with fewer pieces gives the same logits for what it can still write."""
    whole, cut = small("truncated"), small("truncated", pieces="seen")
    tokenizer = student_tokenizer(cut, tiny_base, SEEN, tmp_path / "tokenizer.json")
    logits = []
    for family, path in ((whole, tiny_base / "tokenizer.json"), (cut, tokenizer)):
        network = build_student(family, tiny_base, 2, seed=0, tokenizer=path).eval()
        encoder = TextEncoder(path)
        ids = torch.from_numpy(encoder.windows(encoder.encode(TEXTS[0]))[0].ids)[None]
        with torch.no_grad():
            logits.append(network(ids, torch.ones_like(ids)))
    assert torch.allclose(*logits, atol=1e-6)


def test_pieces_mean_in_a_convolution_what_they_mean_in_the_base(tiny_base, tmp_path, small):
    network, tokenizer = make(small, "conv", tiny_base, tmp_path)
    base = load_encoder(tiny_base).embeddings.word_embeddings.weight
    own = network.encoder.embeddings.weight
    encoder, cut = TextEncoder(tiny_base / "tokenizer.json"), TextEncoder(tokenizer)
    rows, kept = (np.unique(which.encode(TEXTS[0]).ids) for which in (encoder, cut))
    distances, found = torch.pdist(base[rows]), torch.pdist(own[kept])
    assert torch.corrcoef(torch.stack([distances, found]))[0, 1] > 0.6


@pytest.mark.parametrize("texts", [[], ["", "\n"]])
def test_a_narrow_student_needs_no_text(tiny_base, small, texts):
    network = build_student(small("narrow"), tiny_base, 1, seed=0, texts=texts)
    assert network.encoder.config.hidden_size == 16
