"""What is known of tiers that are out, with a clock that a test moves."""

from __future__ import annotations

import pytest

from gateway.errors import TierUnavailable
from gateway.inference.base import FAILED, OUT
from gateway.inference.batching import BUSY, FULL
from gateway.outages import Outages


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outages(clock: Clock) -> Outages:
    return Outages(clock)


def test_a_tier_is_out_for_as_long_as_it_says(outages: Outages, clock: Clock) -> None:
    outages.failed("bills", "large", TierUnavailable("left alone", detail=OUT, retry_after=20.0))
    assert outages.known("bills") == {"large": "left alone"}
    assert outages.known("notes") == {}
    clock.now = 19.9
    assert outages.known("bills")
    clock.now = 20.0
    assert outages.known("bills") == {}


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 1.0), (1e9, 60.0)])
def test_it_is_tried_again_whatever_it_says(
    outages: Outages, clock: Clock, retry_after: float | None, seconds: float
) -> None:
    outages.failed("bills", "large", TierUnavailable("away", detail=OUT, retry_after=retry_after))
    clock.now = seconds - 0.01
    assert outages.known("bills")
    clock.now = seconds
    assert not outages.known("bills")


@pytest.mark.parametrize("detail", [FULL, BUSY, None])
def test_what_says_nothing_of_the_next_request_counts_nothing(outages: Outages, detail: dict[str, str] | None) -> None:
    for _ in range(5):
        outages.failed("bills", "student", TierUnavailable("no", detail=detail, retry_after=5.0))
    assert outages.known("bills") == {}


def test_failures_in_a_row_count_until_one_answer(outages: Outages, clock: Clock) -> None:
    failed = TierUnavailable("failed", detail=FAILED)
    for _ in range(2):
        outages.failed("bills", "student", failed)
    outages.answered("bills", "student")
    for _ in range(2):
        outages.failed("bills", "student", failed)
    assert not outages.known("bills")
    outages.failed("bills", "student", failed)
    assert outages.known("bills") == {"student": "failed"}
    clock.now = 1.0
    assert not outages.known("bills")
    outages.failed("bills", "student", failed)  # still no answer
    assert outages.known("bills")
    outages.answered("bills", "student")
    assert not outages.known("bills")
