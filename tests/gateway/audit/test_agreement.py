from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.agreement import (
    Agreement,
    allowed_disagreement,
    assumed_disagreement,
    disagreement_limit,
    large_error,
)
from gateway.policy import Policy, Threshold


def policy(**bounds: float) -> Policy:
    found = {
        float(target): Threshold(0.0, True, 100 - at, 0, 125, bound)
        for at, (target, bound) in enumerate(bounds.items())
    }
    return Policy("bills", thresholds={"large": {"total": found}})


def test_counts() -> None:
    counts = Agreement.of([(True, True), (True, False), (False, False), (False, True), (True, True)])
    assert counts == Agreement(3, 1, 2, 1)
    assert Agreement.from_json(counts.as_json()) == counts
    with pytest.raises(ValueError, match="fit together"):
        Agreement.from_json({"right": 1, "right_disagreed": 2})


def test_a_known_limit() -> None:
    # 0 of 100 right answers disagreed with at 2.5 %: 1 − 0.025^(1/100) = 0.03622; no wrong answer seen: 1.
    assert allowed_disagreement(Agreement(100), 0.05) == pytest.approx(0.03622 * 0.95 + 0.05, abs=1e-5)
    assert allowed_disagreement(Agreement(), 0.05) == 1.0


@given(st.floats(0, 0.2), st.floats(0.2, 1), st.floats(0.01, 0.2), st.integers(0, 10_000))
def test_the_limit_is_rarely_below_the_rate_of_a_kept_promise(a: float, b: float, limit: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    below = 0
    for _ in range(100):
        counts = Agreement(120, int(random.binomial(120, a)), 8, int(random.binomial(8, b)))
        below += allowed_disagreement(counts, limit) < a * (1 - limit) + b * limit - 1e-12
    assert below <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_without_counts_the_large_tiers_own_error_is_allowed_for() -> None:
    known = policy(**{"0.9": 0.04, "0.95": 0.02})
    assert large_error(known, "total") == 0.04
    assert disagreement_limit(None, known, "total", 0.95) == pytest.approx(assumed_disagreement(0.04, 0.05))
    assert disagreement_limit(None, known, "shop", 0.95) is None
    assert disagreement_limit(None, None, "total", 0.95) is None


def test_where_the_large_tier_says_nothing_nothing_is_tested() -> None:
    assert disagreement_limit(None, policy(**{"0.9": 1.0}), "total", 0.95) is None
    assert disagreement_limit(Agreement(2, 2), None, "total", 0.95) is None
