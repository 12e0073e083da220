"""How long all of a run will still take: an estimate a stage, corrected by how long things really take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Before this share of a stage is done its own pace says little.
_TELLING = 0.02


@dataclass
class Outlook:
    """Seconds that stages are expected to take, in their order, and how it goes.

    Stages that no estimate was made for take no time here.
    """

    expected: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _current: str = ""
    _started: float = 0.0
    _from: float | None = None
    _spent: float = 0.0
    _expected_of_spent: float = 0.0

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Say what is to be done, and how long each part is likely to take."""
        self.expected.update(seconds)

    def skip(self, name: str) -> None:
        """A stage turned out to be done."""
        self.expected.pop(name, None)

    def begin(self, name: str) -> str:
        """A stage begins; what to say about the time left of all."""
        self._current, self._started, self._from = name, self.clock(), None
        text = self.left(0.0)
        self._from = None
        return text

    def end(self, name: str) -> None:
        """A stage has ended: how long it took tells about the others."""
        if name == self._current:
            expected = self.expected.pop(name, 0.0)
            if expected:
                self._spent += self.clock() - self._started
                self._expected_of_spent += expected
            self._current = ""

    def seconds_left(self, share: float) -> float | None:
        """Of all stages, with this share of the present one done; ``None`` where nothing was expected."""
        if not self.expected:
            return None
        if self._from is None:
            # A resumed stage begins in the middle.
            self._from = share
        own = self.expected.get(self._current, 0.0)
        elapsed, done = self.clock() - self._started, share - self._from
        spent, planned = self._spent, self._expected_of_spent
        rest = own * (1 - share)
        if done > _TELLING:
            rest = elapsed * (1 - share) / done
            spent, planned = spent + elapsed, planned + own * done
        pace = spent / planned if planned > 0 else 1.0
        if done <= _TELLING:
            rest *= pace
        return rest + pace * sum(seconds for name, seconds in self.expected.items() if name != self._current)

    def left(self, share: float) -> str:
        """The time left in words; nothing where it is not known."""
        seconds = self.seconds_left(share)
        return "" if seconds is None else f"{words(seconds)} left"


def words(seconds: float) -> str:
    """A duration as people say it: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
