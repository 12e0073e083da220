"""The circuit breaker, with a clock that a test moves."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.tiers.large.remote.breaker import Breaker, Permit
from gateway.tiers.large.remote.configuration import BreakerOptions


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make(**options):
    clock, changes = Clock(), []
    chosen = BreakerOptions(**{"window": 10.0, "calls": 4, "failure_rate": 0.5, "open": 2.0, **options})
    return Breaker(chosen, clock=clock, on_change=changes.append), clock, changes


def fail(breaker, number=1):
    for _ in range(number):
        permit = breaker.permit()
        assert permit is not None
        permit.failed()


def test_it_opens_at_the_failure_rate_and_not_before():
    breaker, _, changes = make()
    fail(breaker, 3)
    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"
    assert breaker.permit() is None
    assert changes == [True]


def test_failures_in_a_row_open_it_whatever_was_before():
    breaker, clock, _ = make(failure_rate=1.0)
    for _ in range(100):
        breaker.permit().succeeded()
    clock.now += 1
    fail(breaker, 3)
    breaker.permit().succeeded()
    fail(breaker, 3)
    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"


def test_successes_keep_it_closed():
    breaker, _, _ = make()
    for _ in range(50):
        for _ in range(2):
            breaker.permit().succeeded()
        fail(breaker)
    assert breaker.state == "closed"


def test_what_is_long_past_does_not_count():
    breaker, clock, _ = make()
    for _ in range(20):
        fail(breaker)
        clock.now += 3.4  # never four within ten seconds
    assert breaker.state == "closed"


def test_one_probe_passes_and_its_success_closes():
    breaker, clock, changes = make()
    fail(breaker, 4)
    clock.now += 2.0
    assert breaker.state == "half-open"
    probe = breaker.permit()
    assert probe.probe
    assert breaker.permit() is None
    probe.succeeded()
    assert breaker.state == "closed"
    assert changes == [True, False]
    fail(breaker, 3)  # it starts with nothing counted
    assert breaker.state == "closed"


def test_a_probe_s_failure_opens_it_again():
    breaker, clock, changes = make()
    fail(breaker, 4)
    clock.now += 2.0
    breaker.permit().failed()
    assert breaker.state == "open"
    assert breaker.wait() == 2.0
    assert changes == [True]


def test_a_probe_that_says_nothing_lets_the_next_one_through():
    breaker, clock, _ = make()
    fail(breaker, 4)
    clock.now += 2.0
    breaker.permit().returned()
    assert breaker.permit().probe


def test_a_probe_that_hangs_does_not_hold_up_the_next():
    breaker, clock, _ = make()
    fail(breaker, 4)
    clock.now += 2.0
    hanging = breaker.permit()
    clock.now += 2.0
    breaker.permit().succeeded()
    hanging.failed()
    assert breaker.state == "closed"


def test_results_of_calls_made_before_it_opened_count_nothing():
    breaker, clock, _ = make()
    early = [breaker.permit() for _ in range(10)]
    fail(breaker, 4)
    for permit in early[:5]:
        permit.succeeded()
    assert breaker.state == "open"
    clock.now += 2.0
    breaker.permit().succeeded()
    for permit in early[5:]:
        permit.failed()
    assert breaker.state == "closed"


def test_a_result_counts_once():
    breaker, _, _ = make()
    permit = breaker.permit()
    for _ in range(10):
        permit.failed()
    assert breaker.state == "closed"


class BreakerMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, the promises hold."""

    @initialize(calls=st.integers(1, 5), rate=st.floats(0.1, 1), window=st.floats(1, 30), pause=st.floats(0.5, 5))
    def begin(self, calls, rate, window, pause):
        self.breaker, self.clock, self.changes = make(calls=calls, failure_rate=rate, window=window, open=pause)
        self.pause = pause
        self.under_way: list[Permit] = []
        self.probes: list[float] = []
        self.failures = 0

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule()
    def call(self):
        before = self.breaker.state
        permit = self.breaker.permit()
        assert (permit is None) == (before == "open")
        if permit is not None:
            assert permit.probe == (before == "half-open")
            if permit.probe:
                self.probes.append(self.clock.now)
            self.under_way.append(permit)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), result=st.sampled_from(["succeeded", "failed", "returned"]))
    def finish(self, data, result):
        permit = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        state = self.breaker.state
        getattr(permit, result)()
        self.failures += result == "failed"
        if result == "succeeded" and state == "closed" and not permit.probe:
            return  # a success may even open it, when it completes the number of calls
        if result == "returned" and not permit.probe:
            assert self.breaker.state == state
        if state != "closed" and self.breaker.state == "closed":
            assert permit.probe
            assert result == "succeeded"

    @precondition(lambda self: self.under_way)
    @rule()
    def all_leave(self):
        for permit in self.under_way:
            permit.returned()
        self.under_way.clear()

    @invariant()
    def it_never_stays_open_for_ever(self):
        if hasattr(self, "breaker"):
            assert self.breaker.wait() <= self.pause + 1e-9

    @invariant()
    def changes_alternate_and_say_the_state(self):
        if hasattr(self, "breaker"):
            assert all(change is (index % 2 == 0) for index, change in enumerate(self.changes))
            assert (self.breaker.state != "closed") == bool(len(self.changes) % 2)

    @invariant()
    def it_never_opens_without_a_failure(self):
        if hasattr(self, "breaker") and not self.failures:
            assert self.changes == []


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase
