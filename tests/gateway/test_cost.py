import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cost import cost_of, expected_amount
from gateway.cost.model import READ_CHARACTERS
from gateway.document import TIERS, Work
from gateway.errors import TaskFileError
from gateway.policy import TierEstimate
from gateway.task import Prices, TierPrice, load_task
from gateway.tiers.model import FIRST_WINDOWS, LAST_WINDOWS
from training.calibrate.outputs import READ_TOKENS

seconds = st.floats(0, 1e3, allow_subnormal=False)
works = st.dictionaries(st.sampled_from(TIERS), st.builds(Work, cpu_seconds=seconds, gpu_seconds=seconds))
estimates = st.dictionaries(st.sampled_from(TIERS), st.builds(TierEstimate, seconds, st.floats(0, 1)))
prices = st.builds(Prices, st.just("EUR"), st.floats(1e-9, 10), gpu_second=st.floats(1e-9, 10))


@given(works, st.integers(0, 10**6), prices, estimates, seconds)
def test_the_amount_is_the_price_of_all_work_done_and_of_the_overhead(work, characters, price, known, overhead):
    cost = cost_of(work, characters, price, known, overhead_seconds=overhead)
    assert cost.currency == "EUR"
    assert set(cost.by_tier) == set(work)
    cpu = sum(spent.cpu_seconds for spent in work.values()) + overhead
    gpu = sum(spent.gpu_seconds for spent in work.values())
    assert math.isclose(cost.amount, price.cpu_second * cpu + price.gpu_second * gpu, rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(cost.amount, sum(cost.by_tier.values()) + cost.overhead, rel_tol=1e-9, abs_tol=1e-12)


@given(works, st.integers(0, 10**6), prices, estimates, seconds)
def test_always_large_is_measured_where_large_ran_and_estimated_elsewhere(work, characters, price, known, overhead):
    cost = cost_of(work, characters, price, known, overhead_seconds=overhead)
    if "large" in work:
        assert cost.always_large == cost.by_tier["large"] + cost.overhead
    elif "large" in known:
        read = min(characters, READ_CHARACTERS)
        assert cost.always_large == known["large"].cpu_seconds(read) * price.cpu_second + cost.overhead
    else:
        assert cost.always_large is None


@given(works, st.integers(0, 10**6), prices, estimates, st.floats(1.5, 4))
def test_costs_scale_with_the_price(work, characters, price, known, factor):
    cost = cost_of(work, characters, price, known)
    dear = Prices("EUR", price.cpu_second * factor, gpu_second=price.gpu_second * factor)
    dearer = cost_of(work, characters, dear, known)
    assert math.isclose(dearer.amount, cost.amount * factor, rel_tol=1e-9, abs_tol=1e-15)


def test_an_estimate_grows_with_the_text():
    estimate = TierEstimate(base_seconds=0.01, seconds_per_character=0.0001)
    assert estimate.cpu_seconds(0) == 0.01
    assert math.isclose(estimate.cpu_seconds(1000), 0.11)


@pytest.mark.parametrize("tier", ["student", "large"])
@pytest.mark.parametrize("times", [10, 100, 1000])
def test_no_estimate_goes_beyond_what_a_model_tier_reads(tier, times):
    """One text of junk must not make everything else look saved."""
    usual, price = 600, Prices(tiers={tier: TierPrice(input_per_1k=0.1)})
    known = {tier: TierEstimate(0.002, 2e-5)}
    most = expected_amount(tier, READ_CHARACTERS, price, known)
    asked = expected_amount(tier, usual * times, price, known)
    assert asked == min(asked, most)
    assert (asked == most) is (usual * times >= READ_CHARACTERS)
    measured = {tier: TierEstimate(0.002, 2e-5, most_characters=1000)}
    assert expected_amount(tier, usual * times, price, measured) == expected_amount(tier, 1000, price, measured)
    cost = cost_of({"rules": Work(0.001)}, usual * times, price, known)
    assert tier != "large" or cost.always_large == asked


def test_rules_read_everything():
    known = {"rules": TierEstimate(0.0, 1e-6)}
    assert expected_amount("rules", 10**6, Prices(cpu_second=1.0), known) == pytest.approx(1.0)


def test_what_a_model_tier_reads_is_what_its_windows_hold():
    stretch = (FIRST_WINDOWS + LAST_WINDOWS) * (510 - 128) + 2 * 128
    assert stretch == READ_TOKENS
    assert int(stretch * 2.5) == READ_CHARACTERS


def test_a_document_that_a_filter_told_apart_saves_nothing():
    known = {"large": TierEstimate(1.0, 0.0)}
    cost = cost_of({}, 100, Prices(), known, overhead_seconds=0.5, filtered=True)
    assert cost.amount == cost.always_large == cost.overhead > 0
    assert cost_of({}, 100, Prices(), {}, filtered=True).always_large is None


def test_nothing_done_costs_nothing():
    cost = cost_of({}, 100, Prices(), {})
    assert cost.amount == 0
    assert cost.by_tier == {}


def test_tokens_and_calls_of_a_tier_of_one_s_own_have_prices_too():
    price = Prices(tiers={"large": TierPrice(per_call=1.0, input_per_1k=0.5)})
    cost = cost_of({"large": Work(cpu_seconds=0.0, tokens=4000)}, 100, price, {})
    assert cost.amount == pytest.approx(1.0 + 2.0)
    assert expected_amount("large", 2500, price, {"large": TierEstimate(0.0, 0.0)}) == pytest.approx(1.0 + 0.5)


def test_what_was_billed_is_not_charged_again():
    price = Prices(tiers={"large": TierPrice(per_call=1.0, input_per_1k=0.5)})
    billed = Work(tokens=4000, prompt_tokens=3000, completion_tokens=1000, amount=0.25)
    assert cost_of({"large": billed}, 100, price, {}).amount == 0.25


@pytest.fixture
def write(tmp_path: Path):
    """Writes a task.yaml with these prices."""

    def written(prices: str) -> Path:
        path = tmp_path / "bills" / "task.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"task: bills\nfields: {{total: {{type: money}}}}\n{prices}")
        return path

    return written


def test_a_task_without_prices_is_not_free_and_says_where_they_come_from(write):
    read = load_task(write("")).prices
    assert read.cpu_second > 0
    assert read.gpu_second > 0
    assert read.source == {"cpu_second": "default", "gpu_second": "default"}


def test_prices_are_read(write):
    text = "prices: {currency: EUR, cpu_second: 1, gpu_second: 2.5, tiers: {student: {per_call: 0.1}}}"
    read = load_task(write(text)).prices
    assert (read.currency, read.cpu_second, read.gpu_second) == ("EUR", 1.0, 2.5)
    assert read.tiers == {"student": TierPrice(per_call=0.1)}
    assert read.as_json() == {
        "currency": "EUR",
        "cpu_second": 1.0,
        "gpu_second": 2.5,
        "tiers": {"student": {"per_call": 0.1, "input_per_1k": 0.0}},
        "source": {"cpu_second": "task.yaml", "gpu_second": "task.yaml"},
    }


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prices: {cpu_second: 0}", "cpu_second must be above 0"),
        ("prices: {gpu_second: 0}", "gpu_second must be above 0"),
        ("prices: {cpu_second: -1}", "cpu_second must be a number"),
        ("prices: {cpu_second: .inf}", "cpu_second must be a number"),
        ("prices: {cpu_second: true}", "cpu_second must be a number"),
        ("prices: {currency: euro}", "currency"),
        ("prices: {second: 1}", "unknown key 'second'"),
        ("prices: {tiers: {medium: {per_call: 1}}}", "prices.tiers"),
        ("prices: {tiers: {rules: {per_call: 1}}}", "prices.tiers"),
        ("prices: {cpu_second: 1.7e+308}", "to 1,000,000"),
        ("prices: {cpu_second: 1e-5}", "write 1.0e-5"),
        ("prices: {tiers: {large: {per_token: 1}}}", "unknown key 'per_token'"),
        ("prices: {tiers: {large: 1}}", "prices.tiers.large must be a mapping"),
        ("prices: 3", "prices must be a mapping"),
    ],
)
def test_wrong_prices_are_named(write, text, named):
    with pytest.raises(TaskFileError, match=named):
        load_task(write(text))
