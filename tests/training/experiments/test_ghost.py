"""The ghost experiment compares what it says it compares."""

import numpy as np
import pytest

from training.experiments import ghost
from training.experiments.jobs import Options


@pytest.fixture
def settings():
    lengths = np.random.default_rng(0).integers(6, 30, 6200).tolist()
    return lengths, ghost.settings(lengths, Options(epochs=2), 0)


def test_updates_are_fewer_by_the_stated_factor_and_made_up_by_longer_training(settings):
    lengths, steps = settings
    updates = {name: ghost.updates_of(lengths, setting) for name, setting in steps.items()}
    assert updates[ghost.SMALL] / updates[ghost.LARGE] == pytest.approx(ghost.TIMES, rel=0.1)
    assert updates[ghost.LONGER] == pytest.approx(updates[ghost.SMALL], rel=0.1)
    assert updates[ghost.LARGE] == updates[ghost.SCALED] == updates[ghost.GHOST]


def test_all_steps_share_pools_and_ghosts_are_as_large_as_small_batches(settings):
    lengths, steps = settings
    assert {setting.pool for setting in steps.values()} == {ghost.POOL}
    small = ghost.examples_of(lengths, steps[ghost.SMALL])
    assert ghost.examples_of(lengths, steps[ghost.LARGE]) == pytest.approx(ghost.TIMES * small, rel=0.15)
    line = steps[ghost.GHOST].methods[0]
    assert int(line.partition("ghost=")[2]) == pytest.approx(small, abs=1)
    assert steps[ghost.SCALED].rate == pytest.approx(steps[ghost.LARGE].rate * ghost.TIMES**0.5)
