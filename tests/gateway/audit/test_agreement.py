from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.agreement import (
    Agreement,
    allowed_disagreement,
    disagreement_limit,
    level_name,
)


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
