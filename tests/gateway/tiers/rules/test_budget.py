"""Time limits, with clocks that a test moves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.tiers.rules.budget import Budget, OutOfTime, TimeLimits


@dataclass
class Clocks:
    wall: float = 100.0
    thread: float = 5.0

    def work(self, seconds: float) -> None:
        self.wall += seconds
        self.thread += seconds

    def wait(self, seconds: float) -> None:
        """Time in which another process has the processor."""
        self.wall += seconds

    def budget(self, rule: float = 5.0, document: float = 12.0) -> Budget:
        limits = TimeLimits(rule, document)
        return Budget(limits, wall=lambda: self.wall, thread=lambda: self.thread)


def test_a_rule_has_its_own_limit() -> None:
    clocks = Clocks()
    budget = clocks.budget()
    budget.begin_rule()
    clocks.work(3)
    assert budget.left() == pytest.approx(2)
    clocks.work(2)
    with pytest.raises(OutOfTime):
        budget.left()
    budget.begin_rule()
    assert budget.left() == pytest.approx(5)


def test_waiting_for_the_processor_costs_nothing() -> None:
    clocks = Clocks()
    budget = clocks.budget()
    budget.begin_rule()
    clocks.work(1)
    clocks.wait(60)
    assert budget.left() == pytest.approx(4)
    clocks.work(4)
    with pytest.raises(OutOfTime):
        budget.left()


def test_a_document_s_limit_shortens_the_last_rule_s_and_then_ends_all() -> None:
    clocks = Clocks()
    budget = clocks.budget(rule=5, document=12)
    for allowance in (5, 5, 2):
        budget.begin_rule()
        assert budget.left() == pytest.approx(allowance)
        clocks.work(allowance)
    with pytest.raises(OutOfTime):
        budget.begin_rule()


def test_a_pause_is_charged_with_no_more_than_a_rule_s_limit() -> None:
    clocks = Clocks()
    budget = clocks.budget(rule=5, document=12)
    budget.begin_rule()
    clocks.work(1000)
    budget.begin_rule()
    assert budget.left() == pytest.approx(5)


def test_a_second_pause_in_a_document_is_charged_in_full() -> None:
    clocks = Clocks()
    budget = clocks.budget(rule=5, document=30)
    for left in (5, 5, 5):
        budget.begin_rule()
        assert budget.left() == pytest.approx(left)
        clocks.work(11)
    # 5 of the first 11 were charged, then 11 and 11: 27 of 30.
    budget.begin_rule()
    assert budget.left() == pytest.approx(3)


def test_time_between_two_rules_beyond_the_first_s_work_is_not_lost_on_the_next() -> None:
    clocks = Clocks()
    budget = clocks.budget(rule=5, document=12)
    clocks.work(1000)
    budget.begin_rule()
    assert budget.left() == pytest.approx(5)


def test_a_rule_has_used_its_time_up_by_its_own_thread_s_clock() -> None:
    clocks = Clocks()
    budget = clocks.budget(rule=5)
    budget.begin_rule()
    clocks.wait(60)
    clocks.work(1)
    assert not budget.used_up()
    clocks.work(3.9)
    assert budget.used_up()


def test_what_a_match_took_beyond_its_limit_is_charged_to_the_document() -> None:
    clocks = Clocks()
    budget = clocks.budget(rule=5, document=12)
    budget.begin_rule()
    clocks.work(9)
    budget.charge_overrun()
    budget.begin_rule()
    assert budget.left() == pytest.approx(3)


def test_only_a_rule_that_had_all_its_time_has_run_away() -> None:
    clocks = Clocks()
    budget = clocks.budget(rule=5, document=8)
    budget.begin_rule()
    clocks.work(5)
    assert budget.ran_away()
    budget.begin_rule()
    clocks.work(5)
    assert budget.used_up()
    assert not budget.ran_away()
