"""Prototypes: clusters of directions, and how far examples are from them."""

import numpy as np
import pytest

from gateway.errors import ConfigurationError
from training.data.select.prototypes import labelled_prototypes, prototypes

AXES = np.eye(6)


def around(axes, each=40, noise=0.1, seed=0):
    """Points around axes, of very different lengths: only the direction tells."""
    rng = np.random.default_rng(seed)
    points = np.repeat(AXES[list(axes)], each, axis=0) + noise * rng.standard_normal((each * len(axes), 6))
    return points * rng.uniform(0.1, 10, (len(points), 1))


def test_clusters_are_found_and_their_prototypes_have_unit_length():
    points = around([0, 2, 5])
    found = prototypes(points, 3)
    assert np.linalg.norm(found.centres, axis=1) == pytest.approx([1, 1, 1])
    for part in np.split(found.cluster, 3):
        assert len(set(part)) == 1
    assert len(set(found.cluster)) == 3
    nearest = found.centres[found.cluster]
    cosine = (points * nearest).sum(1) / np.linalg.norm(points, axis=1)
    assert found.distance == pytest.approx(1 - cosine)


def test_what_is_unusual_is_far():
    points = np.vstack([around([0, 2]), [[1.0, 0, 1, 0, 0, 0]]])
    assert prototypes(points, 2).distance.argmax() == len(points) - 1


def test_the_seed_decides():
    points = around([0, 1, 2, 3, 4, 5], noise=0.5)
    assert np.array_equal(prototypes(points, 4, seed=1).distance, prototypes(points, 4, seed=1).distance)


def test_labelled_examples_stay_in_their_class_and_pull_its_prototype():
    points = around([0, 1], each=20, noise=0.05)
    labels = np.full(40, -1)
    labels[[0, 1, 20, 21]] = [7, 7, 3, 3]
    found = labelled_prototypes(points, labels)
    # Classes in order: 3 is prototype 0.
    assert set(found.cluster[:20]) == {1}
    assert set(found.cluster[20:]) == {0}
    # An example labelled against its place stays with its label, and is far from its prototype.
    labels[5] = 3
    odd = labelled_prototypes(points, labels)
    assert odd.cluster[5] == 0
    assert odd.distance.argmax() == 5
    assert set(np.delete(odd.cluster[:20], 5)) == {1}


def test_further_prototypes_take_what_no_class_covers():
    points = around([0, 1, 4], each=20, noise=0.05)
    labels = np.full(60, -1)
    labels[[0, 20]] = [0, 1]
    without, found = labelled_prototypes(points, labels), labelled_prototypes(points, labels, extra=1)
    assert set(found.cluster[40:]) == {2}
    assert found.distance[40:].max() < 0.1 < without.distance[40:].min()


@pytest.mark.parametrize(
    "call",
    [
        lambda: prototypes(np.ones((3, 2)), 4),
        lambda: prototypes(np.zeros((3, 2)), 1),
        lambda: prototypes(np.full((3, 2), np.nan), 1),
        lambda: labelled_prototypes(np.ones((3, 2)), [-1, -1, -1]),
        lambda: labelled_prototypes(np.ones((3, 2)), [0, 1]),
        lambda: labelled_prototypes(np.ones((3, 2)), [0, 1, -1], extra=2),
    ],
)
def test_what_has_no_prototypes_is_refused(call):
    with pytest.raises(ConfigurationError, match="prototypes"):
        call()
