"""Label errors that were planted are put first."""

from itertools import pairwise

import numpy as np
import pytest

from gateway.errors import ConfigurationError
from training.data.select.label_errors import label_errors


def world(seed=0, size=600, wrong=30):
    """Three classes, one rare and hard; probabilities as an honest, imperfect model gives them."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, size, p=[0.6, 0.35, 0.05])
    sharpness = np.array([4.0, 3.0, 1.2])[truth]
    logits = rng.standard_normal((size, 3)) * 0.5
    logits[np.arange(size), truth] += sharpness
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = truth.copy()
    planted = rng.choice(np.flatnonzero(truth < 2), wrong, replace=False)
    labels[planted] = 1 - labels[planted]
    return probabilities, labels, truth, set(planted.tolist())


def test_planted_errors_come_first():
    probabilities, labels, truth, planted = world()
    found = label_errors(probabilities, labels)
    top = [candidate.index for candidate in found[:30]]
    # A model that is sometimes wrong itself suspects a few labels that are right.
    assert len(planted & set(top)) >= 25
    assert all(candidate.margin >= following.margin for candidate, following in pairwise(found))
    for candidate in found[:15]:
        assert candidate.given == labels[candidate.index]
        assert candidate.suggested == truth[candidate.index]


def test_a_hard_class_is_not_suspected_as_a_whole():
    probabilities, labels, truth, _ = world()
    rare = set(np.flatnonzero(truth == 2).tolist())
    suspected = {candidate.index for candidate in label_errors(probabilities, labels)}
    unsure = {int(index) for index in rare if probabilities[index].argmax() != 2}
    assert len(suspected & rare) < len(rare) / 3
    assert unsure


def test_certain_and_right_labels_are_not_candidates():
    assert label_errors(np.eye(4)[[0, 1, 2, 3]], [0, 1, 2, 3]) == []
    [candidate] = label_errors(np.eye(3)[[0, 0, 1, 1, 0]], [0, 0, 1, 1, 1])
    assert (candidate.index, candidate.given, candidate.suggested, candidate.margin) == (4, 1, 0, 1.0)
    with pytest.raises(ConfigurationError, match="do not fit"):
        label_errors(np.eye(3), [0, 1])
