"""The time left over all stages."""

import pytest

from training.outlook import Outlook, words


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def outlook(clock):
    found = Outlook(clock=clock)
    found.expect({"large": 1000.0, "student": 500.0, "calibrate": 100.0})
    return found


def test_without_an_estimate_nothing_is_said(clock):
    outlook = Outlook(clock=clock)
    assert outlook.begin("large") == ""
    assert outlook.left(0.5) == ""


def test_at_first_the_estimates_count(outlook):
    assert outlook.begin("large") == f"{words(1600)} left"
    assert outlook.seconds_left(0.0) == 1600


def test_a_stage_that_takes_twice_as_long_makes_all_others_take_twice_as_long(outlook, clock):
    outlook.begin("large")
    outlook.left(0.0)
    clock.now += 1000
    # Half of it took what all of it should have.
    assert outlook.seconds_left(0.5) == pytest.approx(1000 + 2 * 600)
    clock.now += 1000
    outlook.end("large")
    outlook.begin("student")
    assert outlook.seconds_left(0.0) == pytest.approx(2 * 600)


def test_a_resumed_stage_is_measured_by_what_it_does_now(outlook, clock):
    outlook.begin("large")
    outlook.left(0.5)
    clock.now += 250
    # A quarter took 250 seconds, as expected: another quarter is left, and the other stages.
    assert outlook.seconds_left(0.75) == pytest.approx(250 + 600)


def test_stages_that_were_done_take_no_time(outlook):
    outlook.skip("large")
    assert outlook.begin("student") == f"{words(600)} left"


def test_stages_without_an_estimate_do_not_disturb(outlook, clock):
    outlook.begin("export")
    clock.now += 70
    outlook.end("export")
    outlook.begin("large")
    assert outlook.seconds_left(0.0) == 1600


@pytest.mark.parametrize(("seconds", "expected"), [(0, "0 s"), (99, "99 s"), (600, "10 min"), (9000, "2.5 h")])
def test_words(seconds, expected):
    assert words(seconds) == expected
