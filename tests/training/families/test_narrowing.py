"""A narrow BERT fitted to a wide one."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from gateway.errors import ConfigurationError
from gateway.tiers.encoding import TextEncoder
from gateway.tiers.large.network import FieldTagger, load_encoder
from tests.gateway.tiers.tiny import TASK
from tests.training.baselines.test_crf import bills
from training.data.align import align
from training.examples import collate, make_examples
from training.families import base_shape, build_student
from training.families.catalogue import Shape
from training.families.narrowing import best, choose_channels, fit_linear, fit_scale, narrow
from training.losses import hard_loss

NARROW = Shape(layers=2, width=16, heads=1, feed_forward=32, pieces=0, positions=512)


def random_tokens(count=12, tokens=40, seed=0):
    ids = torch.randint(5, 100, (count, tokens), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones_like(ids)
    mask[::3, tokens // 2 :] = 0
    return [(ids[:8], mask[:8]), (ids[8:], mask[8:])]


def hidden(encoder, batches):
    with torch.no_grad():
        return torch.cat([encoder.eval()(input_ids=ids, attention_mask=mask)[0][mask.bool()] for ids, mask in batches])


def unexplained(encoder, wide, seed=1):
    """The share of the wide network's last hidden states that no linear map of the narrow one's explains."""
    seen, unseen = random_tokens(seed=seed), random_tokens(seed=seed + 1)
    inputs, targets = (hidden(model, seen).double() for model in (encoder, wide))
    solution = torch.linalg.lstsq(functional.pad(inputs, (0, 1), value=1.0), targets).solution
    guess = functional.pad(hidden(encoder, unseen).double(), (0, 1), value=1.0) @ solution
    expected = hidden(wide, unseen).double()
    return float((guess - expected).square().sum() / (expected - expected.mean(0)).square().sum())


def test_at_full_width_it_is_the_wide_network(tiny_base):
    wide = load_encoder(tiny_base)
    shape = base_shape(tiny_base)
    slim = narrow(wide, shape, random_tokens())
    other = random_tokens(seed=5)
    assert torch.allclose(hidden(slim, other), hidden(wide, other), atol=1e-5)


def redundant(wide):
    """As trained networks are: channels go together, and layers change what passes through them."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn((8, 32), generator=generator)

    def together(weight):
        weight.copy_(torch.randn((len(weight), 8), generator=generator) @ mixing / 8)

    with torch.no_grad():
        for table in (wide.embeddings.word_embeddings, wide.embeddings.position_embeddings):
            together(table.weight)
        for layer in wide.encoder.layer:
            for linear in (layer.attention.self.value, layer.intermediate.dense):
                linear.weight.normal_(0, 0.3, generator=generator)
            for linear in (layer.attention.output.dense, layer.output.dense):
                linear.weight.copy_(mixing.T @ torch.randn((8, linear.in_features), generator=generator) / 16)
    return wide


def test_it_keeps_more_than_a_random_one_and_than_one_that_is_only_cut(tiny_base, monkeypatch):
    wide = redundant(load_encoder(tiny_base))
    fitted = narrow(wide, NARROW, random_tokens())
    torch.manual_seed(0)
    fresh = BertModel(fitted.config, add_pooling_layer=False)
    monkeypatch.setattr("training.families.narrowing.fit_linear", lambda _i, _t, weight, bias: (weight, bias))
    monkeypatch.setattr("training.families.narrowing.fit_scale", lambda _i, _t, weight, bias: (weight, bias))
    cut = narrow(wide, NARROW, random_tokens())
    kept, only_cut, random = (unexplained(encoder, wide) for encoder in (fitted, cut, fresh))
    assert kept < 0.95 * only_cut
    assert kept < 0.8 * random


def test_the_same_tokens_give_the_same_network(tiny_base):
    wide = load_encoder(tiny_base)
    one, other = (narrow(wide, NARROW, random_tokens()).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_only_a_bert_can_be_narrowed():
    with pytest.raises(ConfigurationError, match="only a BERT can be narrowed, and the base is a Linear"):
        narrow(nn.Linear(2, 2), NARROW, [])


def test_channels_that_tell_of_others_are_kept():
    generator = torch.Generator().manual_seed(0)
    told = torch.randn((500, 3), generator=generator)
    # Channels 1, 4 and 6 are independent and strong; the others are weak sums of them.
    states = 0.3 * told @ torch.randn((3, 8), generator=generator)
    states[:, [1, 4, 6]] = told * torch.tensor([5.0, 4.0, 6.0])
    assert choose_channels([states, 2 * states], 3).tolist() == [1, 4, 6]
    # More than can be told apart: no channel is taken twice.
    assert choose_channels([states], 8).tolist() == list(range(8))


def test_heads_that_add_most_are_kept():
    activations = torch.ones((10, 6))
    weight = torch.zeros((2, 6))
    weight[0] = torch.tensor([1.0, 1.0, 5.0, -5.0, 2.0, 0.0])
    # What a head's channels add cancels out in the second head and not in the others.
    assert best(activations, weight, 2, 2).tolist() == [0, 1, 4, 5]
    assert best(activations, weight, 2, 1).tolist() == [2, 3]


def test_fits_find_what_is_there_and_stay_where_nothing_is_learned():
    generator = torch.Generator().manual_seed(0)
    inputs, weight, bias = (torch.randn(size, generator=generator) for size in ((400, 5), (3, 5), (3,)))
    found, shift = fit_linear(inputs, functional.linear(inputs, weight, bias), weight + 1, bias - 1)
    assert torch.allclose(found, weight, atol=0.1)
    assert torch.allclose(shift, bias, atol=0.1)
    same, _ = fit_linear(inputs, functional.linear(inputs, weight, bias), weight, bias)
    assert torch.allclose(same, weight, atol=1e-5)
    still, _ = fit_linear(torch.zeros(400, 5), torch.zeros(400, 3), weight, bias)
    assert torch.equal(still, weight)
    scale, level = fit_scale(inputs, 3 * inputs + 2, torch.ones(5), torch.zeros(5))
    assert torch.allclose(scale, torch.full((5,), 3.0), atol=0.1)
    assert torch.allclose(level, torch.full((5,), 2.0), atol=0.1)


def examples_of(encoder, size, seed):
    documents = bills(size, seed)
    spans, _ = align(documents, TASK)
    return [
        example
        for document, found in zip(documents, spans, strict=True)
        for example in make_examples(encoder, encoder.encode(document.text), found, list(TASK.fields))
    ]


def fit(network, examples, steps, rate):
    optimizer = torch.optim.AdamW(network.parameters(), rate)
    batches = itertools.cycle([examples[start : start + 8] for start in range(0, len(examples), 8)])
    network.train()
    for _ in range(steps):
        batch = collate(next(batches), 0)
        hard_loss(network(batch.input_ids, batch.attention_mask), batch, None).backward()
        optimizer.step()
        optimizer.zero_grad()


def loss_of(network, examples):
    batch = collate(examples, 0)
    with torch.no_grad():
        return float(hard_loss(network.eval()(batch.input_ids, batch.attention_mask), batch, None))


def test_it_learns_a_task_faster_than_a_random_network(tiny_base, tmp_path, small):
    """The base has learned to read bills; a narrow student of it needs fewer steps than one that begins anew."""
    encoder = TextEncoder(tiny_base / "tokenizer.json")
    torch.manual_seed(0)
    wide = FieldTagger(load_encoder(tiny_base), 2)
    fit(wide, examples_of(encoder, 64, 0), 120, 3e-3)
    wide.encoder.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((tiny_base / "tokenizer.json").read_bytes())
    examples, unseen = examples_of(encoder, 16, 1), examples_of(encoder, 32, 2)
    texts = [document.text for document in bills(64, 0)]
    losses = {"narrow": [], "random": []}
    for seed in range(3):
        network = build_student(small("narrow"), tmp_path, 2, seed=seed, texts=texts)
        torch.manual_seed(seed)
        fresh = FieldTagger(BertModel(BertConfig(**network.encoder.config.to_dict()), add_pooling_layer=False), 2)
        for name, student in (("narrow", network), ("random", fresh)):
            fit(student, examples, 50, 3e-3)
            losses[name].append(loss_of(student, unseen))
    assert np.mean(losses["narrow"]) < 0.85 * np.mean(losses["random"])
    assert all(one < other for one, other in zip(losses["narrow"], losses["random"], strict=True))
