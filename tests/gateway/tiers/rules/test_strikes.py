"""Rules that keep running out of time, with a clock that the test moves."""

from __future__ import annotations

from gateway.tiers.rules.strikes import StrikeLimits, Strikes

RULE = ("shop/slow", "digest")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def strikes(clock: Clock) -> Strikes:
    return Strikes(StrikeLimits(times=3, documents=10, seconds=60.0), clock=clock)


def read(counted: Strikes, documents: int) -> None:
    for _ in range(documents):
        counted.begin_document()


def test_the_third_time_within_so_many_documents_is_one_too_many() -> None:
    clock = Clock()
    counted = strikes(clock)
    assert not counted.add(RULE)
    read(counted, 4)
    clock.now += 10_000
    assert not counted.add(RULE)
    read(counted, 5)
    clock.now += 10_000
    assert counted.add(RULE)
    assert counted.set_aside == {RULE}
    assert not counted.add(RULE)


def test_so_is_the_third_time_within_so_many_seconds() -> None:
    clock = Clock()
    counted = strikes(clock)
    for expected in (False, False, True):
        read(counted, 1000)
        clock.now += 29
        assert counted.add(RULE) is expected


def test_what_is_long_ago_is_forgotten() -> None:
    clock = Clock()
    counted = strikes(clock)
    for _ in range(20):
        read(counted, 5)
        clock.now += 31
        assert not counted.add(RULE)
    read(counted, 4)
    assert counted.add(RULE)


def test_an_edited_rule_begins_anew_and_other_rules_stay() -> None:
    clock = Clock()
    counted = strikes(clock)
    for _ in range(3):
        counted.add(RULE)
    assert not counted.add(("shop/slow", "another digest"))
    assert not counted.add(("shop/other", "digest"))
    assert counted.set_aside == {RULE}
