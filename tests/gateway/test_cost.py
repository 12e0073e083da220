import math

from hypothesis import given
from hypothesis import strategies as st

from gateway.cost import cost_of
from gateway.document import TIERS, Work
from gateway.policy import TierEstimate
from gateway.task import Prices

seconds = st.floats(0, 1e3, allow_subnormal=False)
works = st.dictionaries(st.sampled_from(TIERS), seconds.map(Work))
estimates = st.dictionaries(st.sampled_from(TIERS), st.builds(TierEstimate, seconds, st.floats(0, 1)))
prices = st.builds(Prices, st.just("EUR"), st.floats(1e-9, 10))


@given(works, st.integers(0, 10**6), prices, estimates)
def test_the_amount_is_the_price_of_all_work_done(work, characters, price, known):
    cost = cost_of(work, characters, price, known)
    assert cost.currency == "EUR"
    assert set(cost.by_tier) == set(work)
    assert math.isclose(
        cost.amount, price.cpu_second * sum(spent.cpu_seconds for spent in work.values()), abs_tol=1e-12
    )


@given(works, st.integers(0, 10**6), prices, estimates)
def test_always_large_is_measured_where_large_ran_and_estimated_elsewhere(work, characters, price, known):
    cost = cost_of(work, characters, price, known)
    if "large" in work:
        assert cost.always_large == work["large"].cpu_seconds * price.cpu_second
    elif "large" in known:
        assert cost.always_large == known["large"].cpu_seconds(characters) * price.cpu_second
    else:
        assert cost.always_large is None


@given(works, st.integers(0, 10**6), prices, estimates, st.floats(1.5, 4))
def test_costs_scale_with_the_price(work, characters, price, known, factor):
    cost = cost_of(work, characters, price, known)
    dearer = cost_of(work, characters, Prices("EUR", price.cpu_second * factor), known)
    assert math.isclose(dearer.amount, cost.amount * factor, rel_tol=1e-9, abs_tol=1e-15)


def test_an_estimate_grows_with_the_text():
    estimate = TierEstimate(base_seconds=0.01, seconds_per_character=0.0001)
    assert estimate.cpu_seconds(0) == 0.01
    assert math.isclose(estimate.cpu_seconds(1000), 0.11)


def test_nothing_done_costs_nothing():
    cost = cost_of({}, 100, Prices(), {})
    assert cost.amount == 0
    assert cost.by_tier == {}
