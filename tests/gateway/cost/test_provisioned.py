from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cost.provisioned import STEP, WINDOW, Machine, Usage
from gateway.settings import Settings

HOUR = 0.36  # money an hour: 0.0001 a second


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def usage(tmp_path: Path, clock: Clock) -> Iterator[Usage]:
    with Usage(tmp_path / "usage", clock=clock) as usage:
        yield usage


@pytest.fixture
def machine(usage: Usage, clock: Clock) -> Machine:
    return Machine(usage, HOUR / 3600, "USD", 2, clock=clock)


def test_under_a_steady_load_requests_bear_the_whole_price(machine: Machine, clock: Clock) -> None:
    total = 0.0
    for _ in range(600):
        clock.now += 1.0
        total += machine.charge(0.01, "USD") or 0.0
    assert total == pytest.approx(HOUR / 6, rel=1e-6)


def test_an_idle_machine_makes_each_request_dearer(machine: Machine, clock: Clock) -> None:
    def steady(gap: float) -> float:
        for _ in range(int(2 * WINDOW / gap)):
            clock.now += gap
            charged = machine.charge(0.01, "USD")
        assert charged is not None
        return charged

    busy, idle = steady(1.0), steady(60.0)
    assert busy == pytest.approx(HOUR / 3600, rel=0.02)
    assert idle == pytest.approx(60 * busy, rel=0.02)


def test_the_request_that_works_more_bears_more(machine: Machine, clock: Clock) -> None:
    total = {0.1: 0.0, 0.2: 0.0}
    for work in [0.1, 0.2] * 500:
        clock.now += 1
        total[work] += machine.charge(work, "USD") or 0.0
    assert total[0.2] / total[0.1] == pytest.approx(2, rel=0.01)
    assert sum(total.values()) == pytest.approx(1000 * HOUR / 3600, rel=0.01)


def test_a_burst_after_a_quiet_hour_does_not_charge_the_hour_again_and_again(machine: Machine, clock: Clock) -> None:
    clock.now += 1800
    charged = [machine.charge(0.01, "USD") or 0.0 for _ in range(100)]
    assert charged[0] == pytest.approx(HOUR / 2)
    assert sum(charged) == pytest.approx(HOUR / 2)


@given(steps=st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 10)), max_size=60), machines=st.integers(1, 3))
def test_no_second_of_the_machine_is_charged_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, float]], machines: int
) -> None:
    """However requests come and to whichever process of the service."""
    clock = Clock()
    path = tmp_path_factory.mktemp("usage") / "usage"
    with ExitStack() as stack:
        workers = [stack.enter_context(Usage(path, clock=clock)) for _ in range(machines)]
        service = [Machine(usage, 1.0, "USD", 2, clock=clock) for usage in workers]
        began, total = clock.now, 0.0
        for index, (gap, work) in enumerate(steps):
            clock.now += gap
            total += service[index % machines].charge(work, "USD") or 0.0
            assert total <= (clock.now - began) * (1 + 1e-9) + 1e-6


def test_utilisation_is_the_requests_part_of_the_cores_of_the_last_hour(machine: Machine, clock: Clock) -> None:
    for _ in range(int(2 * WINDOW / STEP)):
        clock.now += STEP
        machine.charge(STEP, "USD")  # one of two cores
    assert machine.utilisation == pytest.approx(0.5, rel=0.02)
    clock.now += WINDOW + STEP
    machine.charge(0.0, "USD")
    assert machine.utilisation < 0.05


def test_the_price_so_far_counts_idle_time(machine: Machine, clock: Clock) -> None:
    clock.now += 7200
    assert machine.price_so_far == pytest.approx(2 * HOUR)


def test_without_a_price_in_the_task_s_currency_nothing_is_said(usage: Usage, clock: Clock) -> None:
    machine = Machine(usage, None, "USD", 2, clock=clock)
    clock.now += 10
    assert machine.charge(1.0, "USD") is None
    assert machine.price_so_far is None
    assert machine.utilisation == pytest.approx(1 / 20)
    assert Machine(usage, 1.0, "USD", 2, clock=clock).charge(1.0, "EUR") is None


def test_settings_say_what_the_machine_costs(usage: Usage) -> None:
    settings = Settings.read(instance_price_per_hour=7.2, instance_share=0.5, instance_currency="EUR")
    machine = Machine.of(usage, settings)
    assert machine.currency == "EUR"
    assert machine.charge(1.0, "EUR") is not None
    assert Machine.of(usage, Settings.read(instance_price_per_hour=None)).charge(1.0, "USD") is None


@given(st.lists(st.floats(0, 10), max_size=20))
def test_usage_is_the_sum(tmp_path_factory: pytest.TempPathFactory, amounts: list[float]) -> None:
    with Usage(tmp_path_factory.mktemp("usage") / "usage") as usage:
        for amount in amounts:
            usage.add(amount)
        assert usage.total() == pytest.approx(sum(amounts))


def test_what_a_dead_process_counted_stays_and_its_place_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "usage"
    with Usage(path) as usage:
        usage.add(1.0)
        code = (
            "import os, sys; from pathlib import Path; from gateway.cost.provisioned import Usage;"
            "u = Usage(Path(sys.argv[1])); u.add(2.0); os._exit(9)"
        )
        for _ in range(3):
            assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
        assert usage.total() == pytest.approx(7.0)
        started = usage.started
    with Usage(path) as again:
        assert again.total() == pytest.approx(7.0)
        assert again.started == started
    assert path.stat().st_size < 20_000
