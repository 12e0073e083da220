from __future__ import annotations

import os
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cost.metering import PAUSE, LoopMeter, part_of, process_seconds


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[LoopMeter, Clock, Clock]:
    cpu, wall = Clock(), Clock()
    return LoopMeter(None, cpu, wall), cpu, wall


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 0.01), st.floats(0, 1)), max_size=60))
def test_what_is_taken_and_what_is_left_is_what_was_spent(steps: list[tuple[int, float, float]]) -> None:
    """Whatever requests come, end, and are answered in between, and however much of it tiers account for."""
    meter, cpu, _ = made()
    meter.begin()
    taken = spent = 0.0
    under_way = 1
    for what, seconds, by_tier in steps:
        cpu.now += seconds
        meter.exclude(seconds * by_tier)
        spent += seconds * (1 - by_tier)
        if what == 0:
            meter.begin()
            under_way += 1
        elif what == 1 and under_way > 1:
            meter.end()
            under_way -= 1
        else:
            taken += meter.take()
    while under_way > 1:
        meter.end()
        under_way -= 1
    assert taken + meter.take() == pytest.approx(spent, abs=1e-9)


def test_requests_at_a_time_share_what_has_gathered() -> None:
    meter, cpu, _ = made()
    meter.begin()
    meter.begin()
    cpu.now += 0.4
    assert meter.take() == pytest.approx(0.2)
    meter.end()
    assert meter.take() == pytest.approx(0.2)


def test_what_is_spent_on_an_answer_after_it_was_costed_falls_to_the_next_request() -> None:
    meter, cpu, wall = made()
    meter.begin()
    cpu.now += 0.1
    assert meter.take() == pytest.approx(0.1)
    cpu.now += 0.03
    meter.end()
    wall.now += PAUSE / 2
    cpu.now += 0.02
    meter.begin()
    assert meter.take() == pytest.approx(0.05)


def test_what_is_spent_in_a_long_pause_is_nobody_s() -> None:
    meter, cpu, wall = made()
    meter.begin()
    meter.take()
    meter.end()
    wall.now += PAUSE * 1.1
    cpu.now += 50.0
    meter.begin()
    cpu.now += 0.1
    assert meter.take() == pytest.approx(0.1)


def test_work_that_a_tier_accounts_for_twice_never_makes_a_request_cheaper_than_nothing() -> None:
    meter, cpu, _ = made()
    meter.begin()
    cpu.now += 0.1
    meter.exclude(0.3)
    assert meter.take() == 0.0
    cpu.now += 0.5
    assert meter.take() == pytest.approx(0.3)


def test_what_others_spent_for_it_is_looked_up_now_and_then() -> None:
    others, cpu, wall = Clock(7.0), Clock(), Clock()
    looked = []

    def look() -> float:
        looked.append(wall.now)
        return others.now

    meter = LoopMeter(look, cpu, wall)
    meter.begin()
    others.now += 0.5
    wall.now += 0.1
    assert meter.take() == 0.0  # not looked up again yet
    wall.now += 0.2
    assert meter.take() == pytest.approx(0.5)
    assert len(looked) == 2


def test_a_process_s_time_is_read_as_it_is_spent() -> None:
    before = process_seconds(os.getpid())
    if before is None:
        pytest.skip("this system has no /proc")
    half = part_of(os.getpid(), 2)()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = process_seconds(os.getpid())
    assert after is not None
    assert after - before >= 0.05
    assert after == pytest.approx(time.process_time(), abs=0.1)
    assert half == pytest.approx(before / 2, abs=0.05)


def test_a_process_that_is_not_there_spent_nothing_known() -> None:
    assert process_seconds(2**22 + 1) is None
    assert part_of(2**22 + 1, 3)() == 0.0
