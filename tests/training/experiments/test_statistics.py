"""Paired differences."""

import numpy as np
import pytest
from scipy import stats

from training.experiments.counting import f1_of_counts
from training.experiments.statistics import Difference, crossed, paired, pooled


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


def _counts(rng, rates):
    """Documents with one value each, right with these probabilities."""
    right = rng.random(len(rates)) < rates
    return np.stack([right, ~right, ~right], axis=1).astype(np.int64)


def test_the_crossed_interval_covers_other_seeds_and_other_documents():
    """Documents differ in how much the variant helps them, and seeds in how good they are."""
    rng = np.random.default_rng(0)
    inside, trials = 0, 400
    for _ in range(trials):
        gain = rng.choice([-0.3, 0.3], 300)
        values, reference = {}, {}
        for seed in range(4):
            shift = rng.normal(0, 0.02)
            values[seed] = _counts(rng, 0.6 + gain + shift)
            reference[seed] = _counts(rng, np.full(300, 0.6))
        found = crossed(values, reference)
        inside += found.low <= 0.0 <= found.high
    # 95 %, and rather more than less.
    assert 0.93 <= inside / trials <= 0.995


def test_its_mean_is_the_difference_of_f1():
    rng = np.random.default_rng(1)
    one, other = ({seed: _counts(rng, np.full(50, rate)) for seed in range(3)} for rate in (0.7, 0.5))
    found, share = crossed(one, other), crossed(one, other, share=0.5)
    means = [np.mean([f1_of_counts(item) for item in part.values()]) for part in (one, other)]
    assert found.mean == pytest.approx(means[0] - means[1])
    assert share.mean == pytest.approx(means[0] - 0.5 * means[1])
    assert found.low < found.mean < found.high
    single = crossed({0: one[0]}, other)
    assert single.pairs == 1
    assert single.low < single.mean < single.high
    assert crossed(one, {}) is None
    assert crossed(one, one) == Difference(0.0, 0.0, 0.0, 3)


def test_the_pooled_interval_goes_by_all_variants_scatter():
    found = pooled({"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 5.0, 1: 5.0}, "c": {0: 7.0}})
    deviation = np.sqrt(2.0 / 3) * stats.t.ppf(0.975, 3)
    assert found["a"] == pytest.approx((2 - deviation / 3**0.5, 2 + deviation / 3**0.5))
    assert found["c"] == pytest.approx((7 - deviation, 7 + deviation))
    assert pooled({"a": {0: 1.0}}) == {}
