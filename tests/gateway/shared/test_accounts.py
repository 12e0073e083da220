from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.shared.accounts import SECONDS_A_DAY, Accounts
from gateway.shared.slots import SlotFile


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: float

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_a_burst_pass_and_then_its_rate(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    accounts = Accounts(tmp_path / "accounts", monotonic=clock)
    assert [accounts.take_token("a", 2.0, 3.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert accounts.take_token("a", 2.0, 3.0) == pytest.approx(0.5)
    assert accounts.take_token("b", 2.0, 3.0) == 0.0
    clock.now += 0.5
    assert accounts.take_token("a", 2.0, 3.0) == 0.0
    clock.now += 100
    assert [accounts.take_token("a", 2.0, 3.0) for _ in range(4)][:3] == [0.0, 0.0, 0.0]
    clock.now = 1.0  # the machine was started again
    accounts.take_token("a", 2.0, 3.0)
    clock.now += 0.5
    assert accounts.take_token("a", 2.0, 3.0) == 0.0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=30),
    st.floats(0.5, 10),
)
def test_reservations_that_are_kept_never_exceed_the_budget(
    tmp_path_factory: pytest.TempPathFactory, works: list[tuple[float, float]], budget: float
) -> None:
    accounts = Accounts(tmp_path_factory.mktemp("state") / "accounts", capacity=4)
    spent = 0.0
    for estimate, actual in works:
        reservation = accounts.reserve("a", estimate, budget)
        if reservation is None:
            assert spent + estimate > budget - 1e-9 or spent >= budget - 1e-9
            continue
        assert accounts.spent_today("a") <= budget + 1e-9
        accounts.settle(reservation, min(estimate, actual))
        spent += min(estimate, actual)
        assert accounts.spent_today("a") == pytest.approx(spent)
    assert spent <= budget + 1e-9
    accounts.close()


def test_a_day_begins_with_the_whole_budget_and_yesterday_s_work_does_not_touch_it(tmp_path: Path) -> None:
    clock = Clock(10 * SECONDS_A_DAY - 60)
    accounts = Accounts(tmp_path / "accounts", clock=clock)
    late = accounts.reserve("a", 0.9, 1.0)
    assert late is not None
    assert accounts.reserve("a", 0.2, 1.0) is None
    assert accounts.seconds_to_midnight() == 60
    clock.now += 61
    assert accounts.spent_today("a") == 0
    today = accounts.reserve("a", 0.5, 1.0)
    accounts.settle(late, 0.0)
    assert accounts.spent_today("a") == 0.5
    assert today is not None
    accounts.settle(today, 0.7)  # dearer than expected
    assert accounts.spent_today("a") == pytest.approx(0.7)


def test_what_was_spent_outlives_the_process(tmp_path: Path) -> None:
    first = Accounts(tmp_path / "accounts")
    reservation = first.reserve("a", 0.75, 1.0)
    assert reservation is not None
    first.close()
    assert Accounts(tmp_path / "accounts").spent_today("a") == 0.75


def test_a_full_file_gives_the_place_of_the_account_used_least_lately(tmp_path: Path) -> None:
    clock = Clock(5.0)
    accounts = Accounts(tmp_path / "accounts", capacity=2, monotonic=clock)
    other = Accounts(tmp_path / "accounts", capacity=2, monotonic=clock)
    for name in ("a", "b"):
        accounts.take_token(name, 1.0, 1.0)
        other.take_token(name, 1.0, 1.0)
        clock.now += 1
    accounts.take_token("c", 1.0, 1.0)
    assert other.take_token("c", 1.0, 1.0) > 0  # the other process sees the same place
    clock.now += 0.25
    assert 0 < other.take_token("c", 1.0, 1.0) < 1


def test_names_that_do_not_fit_and_files_of_something_else_are_refused(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts", capacity=2)
    with pytest.raises(ConfigurationError, match="1 to 16 bytes"):
        accounts.take_token("x" * 17, 1, 1)
    with pytest.raises(ConfigurationError, match="another version"):
        Accounts(tmp_path / "accounts", capacity=3)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Accounts(tmp_path / "no" / "accounts")
    (tmp_path / "text").write_text("something else")
    with pytest.raises(ConfigurationError, match="another version"):
        SlotFile(tmp_path / "text", magic=b"12345678", size=8, count=1)
    assert (tmp_path / "accounts").stat().st_mode & 0o077 == 0


def spend(path: Path, tries: int, granted: object) -> None:
    accounts = Accounts(path)
    count = sum(accounts.reserve("a", 1.0, 50.0) is not None for _ in range(tries))
    with granted.get_lock():  # type: ignore[attr-defined]
        granted.value += count  # type: ignore[attr-defined]


def test_two_processes_together_get_no_more_than_the_budget(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    granted = context.Value("q", 0)
    Accounts(tmp_path / "accounts").close()
    processes = [context.Process(target=spend, args=(tmp_path / "accounts", 400, granted)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert granted.value == 50
