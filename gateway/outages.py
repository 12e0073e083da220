"""Tiers that are known to be out: asked in vain a moment ago, in a way that leaves others nothing to try."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from gateway.document import TierName
from gateway.errors import TierUnavailable
from gateway.inference.base import FAILED, OUT

#: Seconds for which a tier counts as out, where nobody says how long.
_AGAIN_SECONDS = 1.0
#: And at most, so that one answer cannot keep a tier from being tried.
_LONGEST_SECONDS = 60.0
#: A model that broke on so many documents in a row counts as out until it has answered one.
_FAILURES = 3


class Outages:
    """What one engine knows of tiers that are out. For one event loop.

    A tier is out when it says so (:data:`gateway.inference.base.OUT`), or has failed on several documents in a row; a
    full queue, a late answer or a single document that a model fails on says nothing of the next request.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[str, TierName], tuple[float, str]] = {}
        self._failures: Counter[tuple[str, TierName]] = Counter()

    def failed(self, task: str, tier: TierName, error: TierUnavailable) -> None:
        """A tier could not answer."""
        if error.detail == FAILED:
            self._failures[task, tier] += 1
        if error.detail == OUT or self._failures[task, tier] >= _FAILURES:
            seconds = min(error.retry_after or _AGAIN_SECONDS, _LONGEST_SECONDS)
            self._until[task, tier] = (self._clock() + seconds, error.message)

    def answered(self, task: str, tier: TierName) -> None:
        """A tier has answered."""
        self._until.pop((task, tier), None)
        self._failures.pop((task, tier), None)

    def known(self, task: str) -> dict[TierName, str]:
        """The tiers of a task that need not be tried now, and why."""
        now = self._clock()
        for key in [key for key, (until, _) in self._until.items() if until <= now]:
            del self._until[key]
        return {tier: why for (name, tier), (_, why) in self._until.items() if name == task}
