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
            text = pump * (_PLAIN_CHARS // len(pump))
            if self._seconds_on(pattern, f"{text}§\n{whole}") >= SECONDS_A_TEXT:
                return Probe(f"many times {pump!r}", ())
        return Probe(None, tuple(kept))

    def _seconds_on(self, pattern: Compiled, text: str) -> float:
        """Seconds of processor time the pattern takes on a text: at most :data:`SECONDS_A_TEXT`, which means that it
        was stopped there."""
        for _ in range(_ATTEMPTS):
            if self.exhausted:
                break
            started = time.thread_time()
            try:
                pattern.search(text, timeout=SECONDS_A_TEXT)
            except TimeoutError:
                # The matcher watches the time of the whole process: other threads' work can stop it early.
                if time.thread_time() - started < 0.8 * SECONDS_A_TEXT:
                    continue
                return SECONDS_A_TEXT
            finally:
                self._seconds -= time.thread_time() - started
            return min(time.thread_time() - started, 0.99 * SECONDS_A_TEXT)
        return 0.0
