import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evaluation.bounds import (
    binomial_tail,
    clopper_pearson,
    clopper_pearson_upper,
    hoeffding_bentkus,
    labels_to_certify,
    log_binomial_tail,
)

rates = st.floats(1e-6, 1 - 1e-6)
trials_and_errors = st.integers(1, 100_000).flatmap(
    lambda trials: st.tuples(st.just(trials), st.integers(0, trials) | st.integers(0, min(trials, 30)))
)
deltas = st.floats(1e-4, 0.5)


@given(trials_and_errors, rates)
def test_the_tail_is_scipys(pair, rate):
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the train extra")
    trials, errors = pair
    expected = float(stats.binom.logcdf(errors, trials, rate))
    found = log_binomial_tail(errors, trials, rate)
    if expected > -600:
        assert math.isclose(found, expected, rel_tol=1e-7, abs_tol=1e-9)
    else:
        # scipy gives up far out in the tail; what must hold is that the tail is small.
        assert found < -500


@given(trials_and_errors, deltas)
def test_the_bounds_are_scipys(pair, delta):
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the train extra")
    trials, errors = pair
    upper = 1.0 if errors == trials else float(stats.beta.isf(delta, errors + 1, trials - errors))
    assert math.isclose(clopper_pearson_upper(errors, trials, delta), upper, rel_tol=1e-7)
    low, high = clopper_pearson(errors, trials, 1 - delta)
    lower = 0.0 if errors == 0 else float(stats.beta.ppf(delta / 2, errors, trials - errors + 1))
    assert math.isclose(low, lower, rel_tol=1e-6, abs_tol=1e-12)
    assert low <= errors / trials <= high


def test_the_tail_counted_out():
    # Three throws of a coin: 1, 3, 3, 1 of 8.
    assert [binomial_tail(k, 3, 0.5) for k in (-1, 0, 1, 2, 3, 9)] == pytest.approx([0, 1 / 8, 4 / 8, 7 / 8, 1, 1])
    assert binomial_tail(0, 0, 0.5) == 1.0
    assert binomial_tail(3, 10, 0.0) == 1.0
    assert binomial_tail(3, 10, 1.0) == 0.0
    assert binomial_tail(10, 10, 1.0) == 1.0


@given(st.integers(1, 40), rates)
def test_the_tail_is_the_sum_of_its_terms(trials, rate):
    total = 0.0
    for errors in range(trials + 1):
        total += math.comb(trials, errors) * rate**errors * (1 - rate) ** (trials - errors)
        assert math.isclose(binomial_tail(errors, trials, rate), total, rel_tol=1e-9)


@given(trials_and_errors, deltas)
def test_at_the_upper_bound_so_few_errors_have_probability_delta(pair, delta):
    trials, errors = pair
    bound = clopper_pearson_upper(errors, trials, delta)
    if errors < trials and bound < 1.0:
        assert math.isclose(binomial_tail(errors, trials, bound), delta, rel_tol=1e-5)


@given(trials_and_errors, deltas)
def test_more_errors_or_more_confidence_raise_the_bound_and_more_trials_lower_it(pair, delta):
    trials, errors = pair
    bound = clopper_pearson_upper(errors, trials, delta)
    assert clopper_pearson_upper(errors, trials + 1, delta) <= bound
    assert clopper_pearson_upper(errors, trials, delta / 2) >= bound
    if errors < trials:
        assert clopper_pearson_upper(errors + 1, trials, delta) >= bound


def test_the_ends():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(10, 10)[1] == 1.0
    assert clopper_pearson(0, 10)[0] == 0.0
    assert clopper_pearson(1, 20) == pytest.approx((0.001265, 0.248733), abs=1e-6)


@given(st.integers(0, 200), st.floats(0.5, 0.999))
def test_two_sides_mirror_each_other(errors, confidence):
    low, high = clopper_pearson(errors, 200, confidence)
    other_low, other_high = clopper_pearson(200 - errors, 200, confidence)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low), abs=1e-12)


@pytest.mark.parametrize(
    ("mean_loss", "trials", "alpha", "expected"),
    [(0.05, 1000, 0.1, 1.63e-8), (0.08, 1000, 0.1, 0.04787), (0.01, 500, 0.02, 0.1772)],
)
def test_hoeffding_bentkus_as_published(mean_loss, trials, alpha, expected):
    assert hoeffding_bentkus(mean_loss, trials, alpha) == pytest.approx(expected, rel=1e-3)


@given(st.integers(0, 500), st.floats(0.01, 0.99), st.floats(0, 1))
def test_hoeffding_bentkus_is_a_p_value_that_rises_with_the_loss(trials, alpha, loss):
    p_value = hoeffding_bentkus(loss, trials, alpha)
    assert 0.0 <= p_value <= 1.0
    assert hoeffding_bentkus(loss / 2, trials, alpha) <= p_value + 1e-12
    if trials and loss <= 1 - 1e-9:
        # Never stronger than the exact test would be for whole errors.
        assert p_value >= binomial_tail(math.floor(loss * trials), trials, alpha) * 0.999 or p_value == 0.0


@given(st.integers(1, 1000), st.integers(0, 1000), st.floats(0.01, 0.99))
def test_a_whole_number_of_errors_is_not_rounded_up(trials, errors, alpha):
    errors = min(errors, trials)
    exact = min(math.e * binomial_tail(errors, trials, alpha), 1.0)
    assert hoeffding_bentkus(errors / trials, trials, alpha) <= exact * (1 + 1e-9)


@pytest.mark.parametrize(("rate", "labels"), [(0.05, 59), (0.02, 149), (0.01, 299), (0.005, 598)])
def test_labels_needed_without_an_error(rate, labels):
    assert labels_to_certify(rate) == labels


@given(st.floats(0.001, 0.5), st.floats(0.001, 0.3), st.integers(0, 20))
def test_labels_needed_are_the_fewest_that_certify(rate, delta, errors):
    labels = labels_to_certify(rate, delta, errors)
    assert clopper_pearson_upper(errors, labels, delta) <= rate * (1 + 1e-9)
    if labels > errors + 1:
        assert clopper_pearson_upper(errors, labels - 1, delta) > rate * (1 - 1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: binomial_tail(1, -1, 0.5),
        lambda: binomial_tail(1, 2, 1.5),
        lambda: clopper_pearson_upper(3, 2, 0.05),
        lambda: clopper_pearson_upper(-1, 2, 0.05),
        lambda: clopper_pearson_upper(1, 2, 0.0),
        lambda: clopper_pearson(1, 2, 1.0),
        lambda: hoeffding_bentkus(1.5, 10, 0.1),
        lambda: hoeffding_bentkus(0.5, 10, 0.0),
        lambda: labels_to_certify(0.0),
        lambda: labels_to_certify(0.1, errors=-1),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match=r"\d"):
        call()
