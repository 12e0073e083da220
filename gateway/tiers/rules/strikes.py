"""Which rules keep running out of time: they are set aside until they are edited."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

#: What a rule is known by: its source and the digest of all that decides what it finds. An edited rule has another.
RuleKey = tuple[str, str]


@dataclass(frozen=True)
class StrikeLimits:
    """A rule is set aside when it has run out of time ``times`` times within ``documents`` documents, or within
    ``seconds``."""

    times: int = 3
    documents: int = 1000
    seconds: float = 60.0


class Strikes:
    """Counts how often rules run out of time.

    Threads may share it, and so may tiers: the tier of edited files takes over that of the files before, so that a rule
    left as it was stays set aside.
    """

    def __init__(self, limits: StrikeLimits | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or StrikeLimits()
        self._clock = clock
        self._lock = threading.Lock()
        self._documents = 0
        self._recent: dict[RuleKey, deque[tuple[int, float]]] = {}
        self._set_aside: frozenset[RuleKey] = frozenset()

    @property
    def set_aside(self) -> frozenset[RuleKey]:
        """The rules that are not run any more."""
        return self._set_aside

    def begin_document(self) -> None:
        """Another document is read."""
        # Threads may lose each other's count, which makes the window a little longer: no reason to wait for a lock.
        self._documents += 1

    def add(self, rule: RuleKey) -> bool:
        """``rule`` has run out of time; whether it is set aside by this."""
        with self._lock:
            if rule in self._set_aside:
                return False
            recent = self._recent.setdefault(rule, deque(maxlen=self._limits.times))
            recent.append((self._documents, self._clock()))
            document, moment = recent[0]
            if len(recent) < self._limits.times:
                return False
            near = recent[-1][0] - document < self._limits.documents
            if not near and recent[-1][1] - moment > self._limits.seconds:
                return False
            self._set_aside |= {rule}
            del self._recent[rule]
            return True
