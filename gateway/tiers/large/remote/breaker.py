"""A circuit breaker: an upstream that keeps failing is left alone, and tried again by one call at a time.

Closed, calls pass and their results are counted in a sliding window of time. When enough of them failed, or the last
few all did, it opens: calls are refused. After a while it is half open: one call passes as a probe; its success closes
the breaker, its failure opens it again. A probe that has not come back within the same while is not waited for: the
next call is another probe, so that a server that stalls cannot keep the breaker from noticing its recovery.

See Nygard, *Release It!*, 2nd edition, "Circuit Breaker".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.tiers.large.remote.configuration import BreakerOptions

State = Literal["closed", "open", "half-open"]


class Permit:
    """Leave to make one call; its result is told once, and later ones count nothing."""

    def __init__(self, breaker: Breaker, epoch: int, *, probe: bool) -> None:
        self._breaker, self._epoch, self.probe = breaker, epoch, probe
        self._told = False

    def succeeded(self) -> None:
        self._tell(True)

    def failed(self) -> None:
        self._tell(False)

    def returned(self) -> None:
        """The call says nothing about the upstream's health."""
        self._tell(None)

    def _tell(self, success: bool | None) -> None:
        if not self._told:
            self._told = True
            self._breaker._take(self._epoch, self.probe, success)


@dataclass(frozen=True)
class _Result:
    at: float
    success: bool


class Breaker:
    """One upstream's breaker. For one event loop; ``clock`` gives seconds that never go back."""

    def __init__(
        self,
        options: BreakerOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[bool], None] = lambda _is_open: None,
    ) -> None:
        self._options, self._clock, self._on_change = options, clock, on_change
        self._results: deque[_Result] = deque()
        self._failures = 0
        self._in_a_row = 0
        self._open = False
        self._next_probe = 0.0
        # Results of calls made before the breaker last opened or closed say nothing about what it does now.
        self._epoch = 0

    @property
    def state(self) -> State:
        """``half-open`` is an open breaker whose next call would be a probe."""
        if not self._open:
            return "closed"
        return "half-open" if self.wait() <= 0 else "open"

    def wait(self) -> float:
        """Seconds until a call may pass: 0 when it may now."""
        return max(0.0, self._next_probe - self._clock()) if self._open else 0.0

    def permit(self) -> Permit | None:
        """Leave for one call, or ``None``."""
        if not self._open:
            return Permit(self, self._epoch, probe=False)
        if self.wait() > 0:
            return None
        self._next_probe = self._clock() + self._options.open
        return Permit(self, self._epoch, probe=True)

    def _take(self, epoch: int, probe: bool, success: bool | None) -> None:
        if epoch != self._epoch:
            return
        if probe:
            if success is None:
                self._next_probe = self._clock()
            else:
                self._switch(is_open=not success)
        elif success is not None:
            now = self._clock()
            self._results.append(_Result(now, success))
            self._failures += not success
            self._in_a_row = 0 if success else self._in_a_row + 1
            while self._results[0].at <= now - self._options.window:
                self._failures -= not self._results.popleft().success
            enough = len(self._results) >= self._options.calls
            # A server that stops is known by failures in a row long before they outweigh its past successes.
            stopped = self._in_a_row >= self._options.calls
            if enough and (stopped or self._failures >= self._options.failure_rate * len(self._results)):
                self._switch(is_open=True)

    def _switch(self, *, is_open: bool) -> None:
        changed = self._open != is_open
        self._open = is_open
        self._epoch += 1
        self._results.clear()
        self._failures = 0
        self._in_a_row = 0
        self._next_probe = self._clock() + self._options.open
        if changed:
            self._on_change(is_open)
