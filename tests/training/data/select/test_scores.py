"""Scores of examples, on answers whose score can be worked out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from training.data.select.scores import (
    EpochRecorder,
    el2n,
    forgetting,
    label_dispersion,
    mutual_information,
    per_document,
    vote_entropy,
)


@pytest.mark.parametrize("classes", [2, 3, 10, 500])
def test_el2n_of_a_uniform_guess(classes):
    assert el2n(np.full((1, classes), 1 / classes), [0]) == pytest.approx([math.sqrt(1 - 1 / classes)])


def test_el2n_of_certain_answers_and_of_several_models():
    certain = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert el2n(certain, [0, 0]) == pytest.approx([0, math.sqrt(2)])
    assert el2n(np.stack([certain, certain[::-1]]), [0, 0]) == pytest.approx([math.sqrt(2) / 2] * 2)
    # Tokens and fields: any axes before the classes.
    assert el2n(np.full((2, 7, 4, 3), 1 / 3), np.zeros((2, 7, 4), int)).shape == (2, 7, 4)
    with pytest.raises(ConfigurationError, match="do not fit"):
        el2n(certain, [0, 1, 2])


def test_forgetting_counts_falls_and_never_learnt_is_hardest():
    correct = np.array(
        [
            [1, 0, 0, 1, 0],
            [1, 1, 0, 0, 0],
            [1, 1, 0, 1, 1],
            [1, 1, 0, 0, 0],
        ]
    )
    assert forgetting(correct).tolist() == [0, 0, 4, 2, 1]


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=12))
def test_no_example_that_was_ever_right_is_as_hard_as_one_that_never_was(history):
    counts, ever = forgetting(history), np.array(history).any(axis=0)
    assert (counts[~ever] == len(history)).all()
    assert (counts[ever] < len(history)).all()


@pytest.mark.parametrize(
    ("letters", "expected"), [("AABBB", 0.4), ("AAAAA", 0.0), ("ABCDE", 0.8), ("A", 0.0), ("ABAB", 0.5)]
)
def test_label_dispersion(letters, expected):
    assert label_dispersion([[letter] for letter in letters]) == pytest.approx([expected])


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=10))
def test_label_dispersion_of_many_examples_is_that_of_each(history):
    array = np.array(history)
    expected = [1 - max(np.bincount(column)) / len(array) for column in array.T]
    assert label_dispersion(array) == pytest.approx(expected)


def test_disagreement():
    certain = np.eye(3)
    agree, differ = np.stack([certain, certain]), np.stack([certain, certain[[1, 2, 0]]])
    assert vote_entropy(agree) == pytest.approx([0] * 3)
    assert mutual_information(agree) == pytest.approx([0] * 3)
    assert vote_entropy(differ) == pytest.approx([math.log(2)] * 3)
    assert mutual_information(differ) == pytest.approx([math.log(2)] * 3)
    # Models that agree on not knowing do not disagree.
    unsure = np.full((5, 2, 4), 0.25)
    assert mutual_information(unsure) == pytest.approx([0, 0])
    with pytest.raises(ConfigurationError, match="2 or more"):
        vote_entropy(unsure[:1])


def test_tokens_make_a_document_s_score():
    tokens, owners = [0.1, 0.9, 0.5, 0.2], [0, 0, 2, 0]
    assert per_document(tokens, owners, 4) == pytest.approx([0.9, 0, 0.5, 0])
    assert per_document(tokens, owners, 4, "mean") == pytest.approx([0.4, 0, 0.5, 0])
    assert per_document(tokens, owners, 4, "sum") == pytest.approx([1.2, 0, 0.5, 0])
    with pytest.raises(ConfigurationError, match="pooling"):
        per_document(tokens, owners, 4, "median")
    with pytest.raises(ConfigurationError, match="do not fit"):
        per_document(tokens, owners[:-1], 4)


def test_the_recorder_gives_what_the_functions_give():
    rng = np.random.default_rng(0)
    epochs = rng.dirichlet([1, 1, 1], (5, 6))
    targets = np.array([0, 1, 2, 0, 1, -1])
    recorder = EpochRecorder(targets)
    for probabilities in epochs:
        recorder.add(probabilities)
    predicted = epochs.argmax(-1)
    assert np.array_equal(recorder.label_dispersion(), label_dispersion(predicted))
    assert np.array_equal(recorder.forgetting()[:5], forgetting(predicted[:, :5] == targets[:5]))
    assert np.array_equal(recorder.el2n(1)[:5], el2n(epochs[1, :5], targets[:5]))
    # Without a label only the dispersion is known.
    assert np.isnan(recorder.el2n(1)[5])
    assert np.isnan(recorder.forgetting()[5])
