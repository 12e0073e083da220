from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tiers.large.remote.retry import LONGEST_RETRY_AFTER, backoff, parse_retry_after


@given(st.integers(0, 2000), st.floats(0.001, 10), st.floats(0.001, 60), st.floats(0, 1, exclude_max=True))
def test_a_pause_lies_between_nothing_and_a_growing_bound(attempt, base, longest, drawn):
    pause = backoff(attempt, base=base, longest=longest, draw=lambda: drawn)
    assert 0 <= pause <= longest
    if attempt < 20:
        assert pause <= base * 2**attempt


def test_jitter_is_full():
    assert backoff(2, base=1, longest=60, draw=lambda: 0.0) == 0
    assert backoff(2, base=1, longest=60, draw=lambda: 0.5) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 12 ", 12.0),
        ("99999999999999999999", LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 9.0),
        ("Friday, 31-Dec-99 23:59:59 GMT", 9.0),
        ("Fri, 31 Dec 1999 23:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    moment = 946684790.0  # 1999-12-31 23:59:50 UTC
    assert parse_retry_after(header, now=lambda: moment) == seconds


@given(st.text())
def test_no_header_breaks_it(header):
    seconds = parse_retry_after(header)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER
