import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evaluation.bootstrap import GroupBootstrap, f1_of, precision_of, ratio, recall_of


def mean(sums):
    return ratio(sums[:, 0], sums[:, 1])


def share(values):
    """Per-document pairs whose summed ratio is the mean."""
    return np.stack([np.asarray(values, dtype=float), np.ones(len(values))], axis=1)


def test_documents_of_a_group_are_drawn_together():
    groups = ["m"] * 50 + ["n"] * 50
    values = [1] * 50 + [0] * 50
    sums = GroupBootstrap(groups, resamples=500).sums(np.array(values))
    # Two groups are drawn: both m, both n, or one of each.
    assert set(sums.tolist()) == {0.0, 50.0, 100.0}


def test_intervals_over_groups_are_wider_than_over_documents_when_errors_cluster():
    groups = [str(number // 10) for number in range(400)]
    values = share([(number // 10) % 4 == 0 for number in range(400)])
    over_groups = GroupBootstrap(groups).interval(values, mean)
    over_documents = GroupBootstrap([str(number) for number in range(400)]).interval(values, mean)
    assert over_groups.high - over_groups.low > 2 * (over_documents.high - over_documents.low)


def test_the_interval_is_the_binomial_one_when_every_document_is_its_own_group():
    values = share([number < 30 for number in range(100)])
    interval = GroupBootstrap([str(number) for number in range(100)], resamples=20_000, seed=1).interval(values, mean)
    # Quantiles of Bin(100, 0.3) / 100 at 2.5 and 97.5 %.
    assert (interval.low, interval.high) == pytest.approx((0.21, 0.39), abs=0.011)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        rates = generator.beta(6, 2, size=60)  # each group has its own rate; the mean is 0.75
        values = share((generator.random((60, 5)) < rates[:, None]).ravel())
        groups = [str(number // 5) for number in range(300)]
        interval = GroupBootstrap(groups, resamples=400, seed=trial).interval(values, mean)
        covered += interval.low <= 0.75 <= interval.high
    assert 0.90 <= covered / 200 <= 0.99


@given(st.integers(0, 2**32), st.lists(st.integers(0, 5), min_size=2, max_size=30))
def test_the_same_seed_gives_the_same_resamples(seed, numbers):
    groups = [str(number) for number in numbers]
    values = np.arange(len(groups))
    one, two = GroupBootstrap(groups, resamples=50, seed=seed), GroupBootstrap(groups, resamples=50, seed=seed)
    assert (one.sums(values) == two.sums(values)).all()
    assert (one.sums(values) == one.sums(values)).all()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20), st.integers(1, 4))
def test_sums_keep_the_shape_and_agree_column_by_column(groups, columns):
    values = np.arange(len(groups) * columns * 3).reshape(len(groups), columns, 3)
    bootstrap = GroupBootstrap(groups, resamples=20)
    sums = bootstrap.sums(values)
    assert sums.shape == (20, columns, 3)
    assert (sums[:, 0, 1] == bootstrap.sums(values[:, 0, 1])).all()


def test_drawing_in_portions_changes_nothing(monkeypatch):
    groups = [str(number) for number in range(40)]
    values = np.arange(40)
    whole = GroupBootstrap(groups, resamples=30).sums(values)
    monkeypatch.setattr("gateway.evaluation.bootstrap._DRAWS_AT_ONCE", 100)
    assert (GroupBootstrap(groups, resamples=30).sums(values) == whole).all()


def test_a_difference_is_paired():
    generator = np.random.default_rng(3)
    groups = [str(number) for number in range(200)]
    hard = generator.random(200) < 0.5
    left, right = share(hard), share(hard.copy())
    right[:4, 0] = 0
    paired = GroupBootstrap(groups).difference(left, right, mean)
    single = GroupBootstrap(groups).interval(left, mean)
    assert 0 <= paired.low <= paired.high < (single.high - single.low) / 2
    same = GroupBootstrap(groups).difference(left, left, mean)
    assert (same.low, same.high) == (0.0, 0.0)


def test_one_group_gives_no_interval():
    bootstrap = GroupBootstrap(["m", "m", "m"])
    assert bootstrap.groups == 1
    assert bootstrap.interval(share([1, 0, 1]), mean) is None
    assert bootstrap.difference(share([1, 0, 1]), share([1, 1, 1]), mean) is None


def test_resamples_without_a_figure_are_left_out():
    values = np.zeros((4, 3), dtype=int)
    assert GroupBootstrap(list("abcd")).interval(values, f1_of) is None
    values[0] = [1, 0, 0]
    interval = GroupBootstrap(list("abcd")).interval(values, f1_of)
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_precision_recall_and_f1_from_counts():
    counts = np.array([[6.0, 2.0, 4.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    assert precision_of(counts)[[0, 2]].tolist() == [0.75, 0.0]
    assert recall_of(counts)[[0, 2]].tolist() == [0.6, 0.0]
    assert f1_of(counts)[0] == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    assert np.isnan(f1_of(counts)[1])


def test_values_must_fit_the_documents():
    with pytest.raises(ValueError, match="2 values for 3 documents"):
        GroupBootstrap(list("abc")).sums(np.zeros(2))
