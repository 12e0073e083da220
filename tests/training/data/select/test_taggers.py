"""Scores of whole documents from what taggers say of their tokens."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from gateway.tiers.large.network import FieldTagger
from training.data.select.taggers import (
    Doubting,
    all_right,
    apart,
    at_places,
    hardest_error,
    least_certain,
    tagger_margins,
    uncertainty,
    whole_answers,
)

IGNORE = -100
SURE, TORN, OTHER = (0.98, 0.01, 0.01), (0.5, 0.45, 0.05), (0.01, 0.98, 0.01)


def answer(*rows):
    """One field."""
    return np.array([[row] for row in rows], dtype=np.float32)


def test_the_least_certain_place_is_found():
    answers = [answer(SURE, TORN, SURE), answer(SURE), np.zeros((0, 1, 3), dtype=np.float32)]
    places = least_certain(answers)
    assert places == [(1, 0), (0, 0), (0, 0)]
    assert at_places(answers, places) == pytest.approx(np.array([TORN, SURE, (1, 0, 0)]))
    assert uncertainty(answers) == pytest.approx([0.95, 0.03, 0.0], abs=1e-6)


def test_a_document_is_as_hard_as_its_hardest_place():
    answers = [answer(SURE, OTHER), answer(SURE, OTHER), answer(SURE, OTHER)]
    targets = [np.array([[0], [0]]), np.array([[0], [IGNORE]]), np.array([[IGNORE], [IGNORE]])]
    found = hardest_error(answers, targets, IGNORE)
    assert found == pytest.approx([np.linalg.norm(np.subtract(OTHER, (1, 0, 0))), np.sqrt(0.02**2 + 2 * 0.01**2), 0])
    assert all_right(answers, targets, IGNORE).tolist() == [False, True, True]


def test_answers_are_told_apart_as_wholes():
    one, same, other = whole_answers([answer(SURE, OTHER), answer(TORN, OTHER), answer(SURE, SURE)])
    assert one == same
    assert one != other


def test_an_ensemble_that_agrees_is_not_apart():
    agreed, torn = answer(SURE, SURE), answer(SURE, OTHER)
    found = apart([[agreed, agreed], [agreed, torn]])
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[1] == pytest.approx(np.log(2), rel=0.01)


@pytest.fixture(scope="module")
def tagger():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return FieldTagger(BertModel(config, add_pooling_layer=False), fields=2)


def test_a_change_as_large_as_the_margin_flips_the_tag(tagger):
    texts = [np.array([2, 5, 6, 3]), np.array([2, 7, 3]), np.array([2, 9, 10, 11, 3])]
    places = [(1, 0), (0, 1), (2, 0)]

    def window_of(document, token):
        return texts[document], token + 1

    margins = tagger_margins(tagger, window_of, places, pad=0, lengths=[2, 1, 3])
    assert (margins > 0).all()
    # One by one, so that neither padding nor neighbours count.
    alone = [
        tagger_margins(tagger, lambda _, token, text=text: (text, token + 1), [place], pad=0, lengths=[1])[0]
        for text, place in zip(texts, places, strict=True)
    ]
    assert margins == pytest.approx(alone, rel=0.02)


def test_doubt_is_random_and_leaves_the_network_as_it_was(tagger):
    tagger.eval()
    ids = torch.arange(2, 10)[None]
    mask = torch.ones_like(ids)
    before = tagger(ids, mask)
    doubting = Doubting(tagger, share=0.5).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = doubting(ids, mask), doubting(ids, mask)
    assert not torch.allclose(first, second)
    assert torch.equal(tagger(ids, mask), before)
    assert not any(module.training for module in tagger.modules() if isinstance(module, nn.Dropout))
