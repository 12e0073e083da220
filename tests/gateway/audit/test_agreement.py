from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import promise
from gateway.audit.agreement import (
    Agreement,
    allowed_disagreement,
    disagreement_limit,
    level_name,
)
from gateway.audit.evidence import Alarm, advance, log_entry_share, log_mean
from gateway.audit.terms import Terms


def test_counts() -> None:
    counts = Agreement.of([(True, True), (True, False), (False, False), (False, True), (True, True)])
    assert counts == Agreement(3, 1, 2, 1)
    assert Agreement.from_json(counts.as_json()) == counts
    with pytest.raises(ValueError, match="fit together"):
        Agreement.from_json({"right": 1, "right_disagreed": 2})


def test_a_known_limit() -> None:
    # 0 of 100 right answers disagreed with at 2.5 %: 1 − 0.025^(1/100) = 0.03622; no wrong answer seen: 1.
    assert allowed_disagreement(Agreement(100), 0.05, 0.05) == pytest.approx(0.03622 * 0.95 + 0.05, abs=1e-5)
    assert allowed_disagreement(Agreement(), 0.05, 0.05) == 1.0


@given(st.floats(0, 0.2), st.floats(0.2, 1), st.floats(0.01, 0.2), st.integers(0, 10_000))
def test_the_limit_is_rarely_below_the_rate_of_a_kept_promise(a: float, b: float, limit: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    below = 0
    for _ in range(100):
        counts = Agreement(120, int(random.binomial(120, a)), 8, int(random.binomial(8, b)))
        below += allowed_disagreement(counts, limit, 0.05) < a * (1 - limit) + b * limit - 1e-12
    assert below <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_the_levels_of_a_field_share_what_may_go_wrong() -> None:
    counts = Agreement(100, 2, 10, 9)
    one = disagreement_limit({"rules@0.95": counts}, "rules@0.95", 0.95, 0.01)
    assert one == pytest.approx(allowed_disagreement(counts, 0.05, 0.01))
    two = disagreement_limit({"rules@0.95": counts, "rules@0.9": Agreement()}, "rules@0.95", 0.95, 0.01)
    assert two == pytest.approx(allowed_disagreement(counts, 0.05, 0.005))


def test_what_was_not_measured_is_not_tested() -> None:
    name = level_name(("rules", "large"), 0.95)
    assert name == "rules+large@0.95"
    for levels in ({}, {"rules@0.95": Agreement(100)}, {name: Agreement()}, {name: Agreement(2, 2)}):
        assert disagreement_limit(levels, name, 0.95, 0.05) is None


@given(st.floats(0.001, 0.5), st.integers(1, 30))
def test_bets_and_limits_of_all_fields_together_use_up_alpha_and_no_more(alpha: float, fields: int) -> None:
    terms = Terms(alarm=Alarm(alpha, 1000))
    test = terms.promise_alarm(fields)
    assert (fields + 1) * test.alpha + fields * terms.limit_alpha(fields) == pytest.approx(alpha)
    assert test.run_length == 1000 * (fields + 1)


def test_false_doubts_stay_below_alpha_though_the_limit_is_measured() -> None:
    # The promise just holds, the worst case, in 300 services of one field that each measured their own limit.
    a, b, m, alpha, runs = 0.03, 0.85, 0.05, 0.05, 300
    random = np.random.default_rng(5)
    terms = Terms(alarm=Alarm(alpha, 0.0))
    counts = [Agreement(119, int(random.binomial(119, a)), 6, int(random.binomial(6, b))) for _ in range(runs)]
    honest = np.array([allowed_disagreement(one, m, terms.limit_alpha(1)) for one in counts])
    # As good as measured, without a bound: what the limit must not be.
    naive = np.array([max(0.001, one.right_disagreed / 119 * (1 - m) + one.wrong_disagreed / 6 * m) for one in counts])
    alarms = {}
    for name, limits in (("honest", honest), ("naive", naive)):
        capital = np.full((runs, len(promise.ODDS_RATIOS)), -np.inf)
        raised = np.zeros(runs, dtype=bool)
        wrong, right = promise.log_bets(1.0, limits), promise.log_bets(0.0, limits)
        for step in range(1, 3001):
            disagrees = random.random(runs) < a * (1 - m) + b * m
            capital = advance(capital, np.where(disagrees[:, None], wrong, right), log_entry_share(step))
            raised |= log_mean(capital) >= -np.log(terms.promise_alarm(1).alpha)
        alarms[name] = int(raised.sum())
    assert alarms["honest"] <= alpha * runs + 3 * np.sqrt(runs * alpha * (1 - alpha))
    assert alarms["naive"] > alpha * runs + 3 * np.sqrt(runs * alpha * (1 - alpha))
