"""Trying patterns on texts made to be slow, each for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from gateway.tiers.rules.lint.hazards import Hazard, sample
from gateway.tiers.rules.patterns import Compiled
from gateway.tiers.rules.syntax import Node

#: Seconds of processor time one pattern may take on one text. A quadratic pattern needs a tenth of it.
SECONDS_A_TEXT = 0.25
#: Seconds that probing may take for one task.
SECONDS_IN_ALL = 10.0
_ATTACK_CHARS = 1500
_PLAIN_CHARS = 600
_PLAIN = ("a", "1", " ", "\n", "A1 ", "1,", "a.", "TOTAL ")
#: What most patterns cannot go on with.
_ENDS = ("§", "\n§\n")
_ATTEMPTS = 3


#: A suspicion is dropped when its own text takes less than this.
_NOTICEABLE = 0.01
#: A plain text on which a pattern is not done by then is tried at these shares of its length first: where the time
#: grows by about the same factor from each to the next, what the whole text takes can be told without waiting for it.
_SOON = 0.008
_SHARES = (1 / 8, 1 / 4, 1 / 2)
#: A factor that is itself growing by more than this is no power of the length: the whole text is tried.
_STEADY = 1.6
#: Shorter times are mostly noise.
_MEASURABLE = 0.0001


class Probe(NamedTuple):
    """What trying a pattern showed: a text on which it runs away, described by what it repeats, and the suspicions
    whose own texts take noticeable time."""

    runs_away_on: str | None
    kept: tuple[Hazard, ...]


class Prober:
    """Tries patterns; remembers what it tried, so that a pattern used by many rules is tried once."""

    def __init__(self, seconds: float = SECONDS_IN_ALL) -> None:
        self._seconds = seconds
        self._known: dict[str, Probe] = {}

    @property
    def exhausted(self) -> bool:
        """Whether the time for probing is up."""
        return self._seconds <= 0

    def probe(self, pattern: Compiled, node: Node, suspicions: Sequence[Hazard]) -> Probe:
        """Try a pattern, whose structure is ``node``, on texts made from what is suspected and on plain ones."""
        if pattern.pattern not in self._known:
            self._known[pattern.pattern] = self._try(pattern, node, suspicions)
        return self._known[pattern.pattern]

    def _try(self, pattern: Compiled, node: Node, suspicions: Sequence[Hazard]) -> Probe:
        # A matcher first looks for letters that must be there: let them be there, where they help nothing.
        whole = sample(node)
        kept: list[Hazard] = []
        for item in suspicions:
            text = item.prefix + item.pump * (_ATTACK_CHARS // len(item.pump))
            seconds = [self._seconds_on(pattern, text + end) for end in (*_ENDS, f"§\n{whole}")]
            if max(seconds) >= SECONDS_A_TEXT:
                return Probe(f"{item.prefix!r} and many times {item.pump!r}", (item,))
            if max(seconds) >= _NOTICEABLE:
                kept.append(item)
        for pump in (*_PLAIN, *({whole[:100]} - {""})):
            if self._runs_away(pattern, pump, f"§\n{whole}"):
                return Probe(f"many times {pump!r}", ())
        return Probe(None, tuple(kept))

    def _runs_away(self, pattern: Compiled, pump: str, end: str) -> bool:
        """Whether a pattern takes :data:`SECONDS_A_TEXT` or more on a plain text."""
        times = _PLAIN_CHARS // len(pump)
        text = pump * times + end
        if self._seconds_on(pattern, text, _SOON) < _SOON:
            return False
        shorter = [self._seconds_on(pattern, pump * max(1, round(times * share)) + end) for share in _SHARES]
        expected = expected_seconds(shorter)
        if expected is not None and expected < SECONDS_A_TEXT:
            return False
        return self._seconds_on(pattern, text) >= SECONDS_A_TEXT

    def _seconds_on(self, pattern: Compiled, text: str, most: float | None = None) -> float:
        """Seconds of processor time the pattern takes on a text: at most ``most``, by default
        :data:`SECONDS_A_TEXT`, which means that it was stopped there."""
        most = SECONDS_A_TEXT if most is None else most
        for _ in range(_ATTEMPTS):
            if self.exhausted:
                break
            started = time.thread_time()
            try:
                pattern.search(text, timeout=most)
            except TimeoutError:
                # The matcher watches the time of the whole process: other threads' work can stop it early.
                if time.thread_time() - started < 0.8 * most:
                    continue
                return most
            finally:
                self._seconds -= time.thread_time() - started
            return min(time.thread_time() - started, 0.99 * most)
        return 0.0


def expected_seconds(shorter: Sequence[float]) -> float | None:
    """What a text takes of which an eighth, a quarter and a half take so many seconds; ``None`` where nobody can tell.

    The time of a backtracking matcher grows with a power of the length, and then by one factor at each doubling, or
    exponentially, and then by the square of the factor before. The estimate is on the safe side: it takes the greater
    factor, and as much more as it may grow and still count as steady.
    """
    eighth, quarter, half = shorter
    if eighth < _MEASURABLE:
        return None
    before, last = quarter / eighth, half / quarter
    if last > _STEADY * before:
        return None
    return half * max(before, last) * _STEADY
