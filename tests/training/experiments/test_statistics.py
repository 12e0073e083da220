"""Paired differences."""

import numpy as np
import pytest
from scipy import stats

from training.experiments.statistics import Difference, paired


def test_it_is_student_s_interval_of_the_pairs():
    reference = {seed: 90.0 + seed for seed in range(6)}
    deltas = [0.1, -0.2, 0.3, 0.05, 0.0, -0.1]
    values = {seed: reference[seed] + delta for seed, delta in enumerate(deltas)}
    found = paired({**values, 9: 0.0}, reference)
    low, high = stats.ttest_1samp(deltas, 0).confidence_interval(0.95)
    assert found.pairs == 6
    assert found.mean == pytest.approx(np.mean(deltas))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_it_covers_what_it_should():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        values = dict(enumerate(rng.normal(0.5, 1.0, 8)))
        found = paired(values, dict.fromkeys(range(8), 0.0))
        inside += found.low <= 0.5 <= found.high
    # 95 % of 1,000 trials, give or take three standard errors.
    assert 930 <= inside <= 970


def test_one_pair_has_no_interval_and_shows_nothing():
    found = paired({0: 1.0}, {0: 0.0})
    assert (found.mean, found.low, found.high) == (1.0, None, None)
    assert not any((found.above, found.within(), found.lost_at_most(5)))
    assert paired({0: 1.0}, {1: 0.0}) is None


def test_equal_is_more_than_not_shown_to_differ():
    assert Difference(0.0, -0.29, 0.3, 8).within()
    assert not Difference(0.0, -0.31, 0.2, 8).within()
    assert not Difference(0.0, -0.2, 0.4, 8).within()
    assert Difference(1.0, -0.3, 2.0, 8).lost_at_most(0.3)
    assert not Difference(1.0, -0.4, 2.0, 8).lost_at_most(0.3)
    assert Difference(1.0, 0.1, 2.0, 8).above
    assert not Difference(1.0, -0.1, 2.0, 8).above
