"""What the teacher says: computed, kept, carried over to another tokenizer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gateway.tiers.encoding import Encoding, TextEncoder
from gateway.tiers.large.network import FieldTagger, load_encoder
from tests.gateway.tiers.tiny import VOCABULARY
from training.teacher import (
    load_probabilities,
    save_probabilities,
    token_probabilities,
    token_states,
    transfer,
    transfer_states,
)

PAD = VOCABULARY["[PAD]"]


@pytest.fixture(scope="module")
def network(tiny_base):
    torch.manual_seed(0)
    return FieldTagger(load_encoder(tiny_base), 2)


def ask(network, encoder, texts, **options):
    encodings = [encoder.encode(text) for text in texts]
    return token_probabilities(network, encoder, encodings, PAD, description="teacher", **options)


def test_documents_come_back_in_order_whatever_their_batches(network, tokenizer):
    encoder = TextEncoder(tokenizer, window=32, stride=8)
    texts = ["tea 9.00", "", "kedai melur\n" * 30, "t", "total rm 9.00"]
    together = ask(network, encoder, texts)
    for text, found in zip(texts, together, strict=True):
        assert found.shape == (len(encoder.encode(text)), 2, 3)
        assert np.allclose(found.sum(-1), 1, atol=1e-5)
        # bfloat16 has three digits; padding must not add to that.
        assert np.allclose(found, ask(network, encoder, [text])[0], atol=0.02)
        assert np.allclose(found, ask(network, encoder, [text], token_budget=1)[0], atol=0.02)
    assert not np.allclose(together[0][0], together[4][0], atol=0.02)


def test_asking_switches_dropout_off(network, encoder):
    network.train()
    first, second = (ask(network, encoder, ["kedai melur"])[0] for _ in range(2))
    assert np.array_equal(first, second)


names = st.lists(st.text(min_size=1, max_size=8).filter(lambda name: not name.endswith("\0")), unique=True, max_size=6)


@given(names, st.integers(0, 100))
def test_probabilities_are_read_as_they_were_kept(tmp_path_factory, identifiers, seed):
    path = tmp_path_factory.mktemp("teacher") / "teacher.npz"
    generator = np.random.default_rng(seed)
    kept = [generator.dirichlet([1, 1, 1], (size, 2)).astype(np.float32) for size in range(len(identifiers))]
    save_probabilities(path, identifiers, kept)
    loaded = load_probabilities(path)
    assert list(loaded) == identifiers
    for one, other in zip(kept, loaded.values(), strict=True):
        assert other.dtype == np.float32
        assert one.shape == other.shape
        assert np.allclose(one, other, atol=1e-3)
    assert [file.name for file in path.parent.iterdir()] == ["teacher.npz"]


def encoding(*edges):
    offsets = np.array(edges, dtype=np.int32).reshape(-1, 2)
    return Encoding(np.arange(len(offsets)), offsets)


def certain(*tags):
    """Probabilities 0.8 for each tag, 0.1 for the others."""
    return np.array([[[0.8 if tag == other else 0.1 for other in range(3)]] for tag in tags], dtype=np.float32)


def test_the_same_tokens_keep_their_probabilities():
    same = encoding((0, 2), (2, 5))
    probabilities = certain(1, 2)
    assert transfer(probabilities, same, encoding((0, 2), (2, 5))) is probabilities


def test_a_token_takes_what_stands_where_it_begins():
    source = encoding((0, 2), (2, 5), (6, 8))
    target = encoding((0, 5), (6, 7), (7, 8), (9, 10))
    moved = transfer(certain(1, 2, 0), source, target)
    assert moved.argmax(-1)[:, 0].tolist() == [1, 0, 0, 0]
    assert np.allclose(moved.sum(-1), 1)


def test_a_value_begins_once_however_many_tokens_it_has():
    source, target = encoding((0, 6), (7, 9)), encoding((0, 2), (2, 4), (4, 6), (7, 9))
    moved = transfer(certain(1, 2), source, target)
    assert moved.argmax(-1)[:, 0].tolist() == [1, 2, 2, 2]
    assert np.allclose(moved.sum(-1), 1)
    assert np.allclose(moved[1, 0], [0.1, 0.0, 0.9])


def test_a_token_before_the_teacher_s_first_takes_the_first():
    moved = transfer(certain(0, 1), encoding((3, 4), (4, 5)), encoding((0, 1), (4, 5)))
    assert moved.argmax(-1)[:, 0].tolist() == [0, 1]


@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 50))
def test_outside_stays_what_it_was(length, width, seed):
    probabilities = np.random.default_rng(seed).dirichlet([1, 1, 1], (length, 2)).astype(np.float32)
    source = encoding(*((index, index + 1) for index in range(length)))
    target = encoding(*((index, min(index + width, length)) for index in range(0, length, width)))
    moved = transfer(probabilities, source, target)
    assert np.array_equal(moved[..., 0], probabilities[::width, :, 0])
    assert np.allclose(moved.sum(-1), 1, atol=1e-5)


def test_states_keep_how_tokens_are_related(network, encoder):
    """In as many directions as the encoder is wide a rotation loses nothing; in few, cosines are about the same."""
    texts = ["kedai melur tea total rm 9.00", "tea bhd 17", "total 4.50 shop melur"] * 3
    encodings = [encoder.encode(text) for text in texts]

    def cosines(width):
        found = token_states(network, encoder, encodings, PAD, width=width, description="states")
        assert [one.shape for one in found] == [(len(encoding), width) for encoding in encodings]
        # What relations are made from: less the mean of the window.
        centred = found[0] - found[0].mean(0)
        unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        return unit @ unit.T

    every, few = cosines(32), cosines(16)
    assert np.allclose(np.diag(every), 1, atol=1e-3)
    assert np.allclose(every, few, atol=0.1)
    assert not np.allclose(every, np.eye(len(every)), atol=0.3)


def test_states_go_to_the_tokens_that_begin_in_theirs(tokenizer):
    source = Encoding(np.array([1, 2]), np.array([[0, 5], [6, 9]], dtype=np.int32))
    target = Encoding(np.array([1, 2, 3]), np.array([[0, 2], [2, 5], [6, 9]], dtype=np.int32))
    states = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    assert transfer_states(states, source, target).tolist() == [[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]]
    assert transfer_states(states, source, source) is states
