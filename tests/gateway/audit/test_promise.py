from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import promise
from gateway.audit.evidence import Alarm, Evidence, advance, log_entry_share, log_mean

LIMITS = st.floats(0.005, 0.5)


def run(outcomes: tuple[float, ...], limit: float) -> Evidence:
    evidence = promise.start()
    for wrong in outcomes:
        evidence = promise.observe(evidence, wrong, limit)
    return evidence


@given(LIMITS, st.floats(0, 1))
def test_no_bettor_expects_to_gain_while_the_promise_holds(limit: float, share: float) -> None:
    rate = limit * share
    expected = rate * np.exp(promise.log_bets(1.0, limit)) + (1 - rate) * np.exp(promise.log_bets(0.0, limit))
    assert np.all(expected <= 1 + 1e-12)
    if share == 1:
        assert np.allclose(expected, 1)


@pytest.mark.parametrize(("limit", "rate"), [(0.05, 0.05), (0.05, 0.02), (0.2, 0.2), (0.3, 0.1)])
def test_the_evidence_is_a_supermartingale_by_enumeration(limit: float, rate: float) -> None:
    # Over all outcomes of the next step, and over all histories: what is not yet staked counts as kept.
    for length in range(1, 9):
        staked = math.fsum(math.exp(log_entry_share(step)) for step in range(1, length + 1))
        mean_for_ever = mean_run_length = 0.0
        for outcomes in itertools.product((0.0, 1.0), repeat=length):
            wrong = sum(outcomes)
            chance = rate**wrong * (1 - rate) ** (length - wrong)
            evidence = run(outcomes, limit)
            mean_for_ever += chance * math.exp(evidence.log_for_ever)
            mean_run_length += chance * math.exp(evidence.log_run_length)
        assert mean_for_ever <= staked * (1 + 1e-9)
        assert mean_run_length <= length * (1 + 1e-9)
        if rate == limit:
            assert mean_for_ever == pytest.approx(staked)
            assert mean_run_length == pytest.approx(length)


@given(LIMITS, st.lists(st.sampled_from((0.0, 1.0)), max_size=12))
def test_from_any_history_the_next_step_is_fair(limit: float, history: list[float]) -> None:
    before = run(tuple(history), limit)
    entry = math.exp(log_entry_share(before.steps + 1))
    expected = sum(
        chance * math.exp(promise.observe(before, wrong, limit).log_for_ever)
        for wrong, chance in ((1.0, limit), (0.0, 1 - limit))
    )
    assert expected == pytest.approx(math.exp(before.log_for_ever) + entry)


def test_the_shares_of_all_steps_are_the_whole_capital() -> None:
    assert math.fsum(math.exp(log_entry_share(step)) for step in range(1, 100_001)) == pytest.approx(1, abs=1e-5)


def test_known_values() -> None:
    # One wrong answer at limit 0.5: the bettor of odds ratio r believes r / (1 + r) and gains the factor 2r / (1 + r).
    factors = [2 * ratio / (1 + ratio) for ratio in promise.ODDS_RATIOS]
    assert np.exp(promise.log_bets(1.0, 0.5)) == pytest.approx(factors)
    once = run((1.0,), 0.5)
    assert math.exp(once.log_run_length) == pytest.approx(sum(factors) / len(factors))
    assert math.exp(once.log_for_ever) == pytest.approx(0.75 * sum(factors) / len(factors))


@given(LIMITS, LIMITS)
def test_dependent_fields_of_a_document_are_one_fair_bet(first: float, second: float) -> None:
    # Wrong together, as often as the stricter limit allows: the most that dependence can do.
    low = min(first, second)
    start = promise.start()
    both = promise.observe_document(start, [(1.0, first), (1.0, second)])
    none = promise.observe_document(start, [(0.0, first), (0.0, second)])
    assert low * math.exp(both.log_run_length) + (1 - low) * math.exp(none.log_run_length) <= 1 + 1e-9
    alone = promise.observe_document(start, [(1.0, first)])
    assert alone.for_ever == pytest.approx(promise.observe(start, 1.0, first).for_ever)


@pytest.mark.parametrize(("wrong", "limit"), [(0.0, 0.0), (0.0, 1.0), (1.5, 0.1), (-0.1, 0.1), (0.0, float("nan"))])
def test_what_is_no_observation_is_refused(wrong: float, limit: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        promise.log_bets(wrong, limit)


@given(st.lists(st.sampled_from((0.0, 1.0)), max_size=30), st.integers(0, 30))
def test_evidence_goes_on_where_it_was_stored(outcomes: list[float], at: int) -> None:
    evidence = promise.start()
    for number, wrong in enumerate(outcomes):
        if number == at:
            evidence = Evidence.from_json(json.loads(json.dumps(evidence.as_json())))
        evidence = promise.observe(evidence, wrong, 0.05)
    assert evidence == run(tuple(outcomes), 0.05)


def test_extremes_stay_numbers() -> None:
    evidence = run((0.0,) * 3000, 0.5)
    assert math.isfinite(evidence.log_for_ever)
    assert not Alarm(0.05, 1000).raised(evidence)
    evidence = run((1.0,) * 3000, 0.005)
    assert math.isfinite(evidence.log_for_ever)
    assert Alarm(0.05).raised(evidence)


def test_an_alarm_split_over_streams_is_stricter() -> None:
    alarm = Alarm(0.05, 1000)
    assert alarm.split(5) == Alarm(0.01, 5000)
    evidence = run((1.0,) * 3, 0.05)
    assert not Alarm(0.0, 0.0).raised(evidence)


def simulate(
    rate: float, limit: float, runs: int, length: int, *, good: int = 0, seed: int = 7
) -> tuple[int, np.ndarray]:
    """Runs that alarm "for ever" at 5 %, and the step of each first alarm (``length`` where there was none)."""
    random = np.random.default_rng(seed)
    log_capital = np.full((runs, len(promise.ODDS_RATIOS)), -np.inf)
    first = np.full(runs, length)
    wrong, right = promise.log_bets(1.0, limit), promise.log_bets(0.0, limit)
    for step in range(1, length + 1):
        errors = random.random(runs) < (0.02 if step <= good else rate)
        log_capital = advance(log_capital, np.where(errors[:, None], wrong, right), log_entry_share(step))
        alarmed = (log_mean(log_capital) >= math.log(20)) & (first == length)
        first[alarmed] = step
    return int(np.sum(first < length)), first


def test_false_alarms_in_long_runs_are_as_rare_as_promised() -> None:
    # The promise just holds: the worst case. 1,000 runs of 10,000 audits, 5 % plus three deviations of the binomial.
    runs = 1000
    alarms, _ = simulate(0.05, 0.05, runs, 10_000)
    assert alarms <= 0.05 * runs + 3 * math.sqrt(runs * 0.05 * 0.95)
    assert alarms > 0  # not for lack of looking


def test_larger_drift_is_noticed_sooner_and_after_a_long_good_history_too() -> None:
    late = {rate: simulate(rate, 0.05, 200, 6000, good=2000)[1] - 2000 for rate in (0.1, 0.2, 0.4)}
    delays = [float(np.median(late[rate])) for rate in (0.1, 0.2, 0.4)]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] < 800
    assert delays[2] < 40


def test_run_length_is_at_least_what_was_asked() -> None:
    runs, wanted = 400, 200.0
    random = np.random.default_rng(3)
    log_capital = np.full((runs, len(promise.ODDS_RATIOS)), -np.inf)
    wrong, right = promise.log_bets(1.0, 0.05), promise.log_bets(0.0, 0.05)
    lengths = np.full(runs, 4000.0)  # cut off there: the mean can only come out too short
    for step in range(1, 4001):
        errors = random.random(runs) < 0.05
        log_capital = advance(log_capital, np.where(errors[:, None], wrong, right), 0.0)
        lengths[(log_mean(log_capital) >= math.log(wanted)) & (lengths == 4000)] = step
    assert lengths.mean() + 3 * lengths.std() / math.sqrt(runs) >= wanted
