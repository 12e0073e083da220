"""The time rules may spend on one document."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: A rule that has used this share of its time when a match is stopped has used it up: the two clocks differ a little.
_USED_UP = 0.8


@dataclass(frozen=True)
class TimeLimits:
    """Seconds of processor time one rule, and all rules together, may spend on one document."""

    rule: float = 0.005
    document: float = 0.020


class OutOfTime(TimeoutError):
    """The time was up between two matches: by many matches, or by a pause of the interpreter."""


class Budget:
    """What is left of the time for one document and for the rule that runs now.

    Limits are in the thread's processor time, so that a busy machine does not change what rules find. Reading that
    clock is slow; wall time, which never runs behind it, is read first, and the thread's clock only when wall time is
    up. The document is charged with what was really spent. Once a document the part beyond a rule's limit is forgiven:
    it may be a pause of the interpreter (which collects garbage on whichever thread asks for memory), no rule's doing.
    """

    def __init__(
        self,
        limits: TimeLimits,
        *,
        wall: Callable[[], float] = time.perf_counter,
        thread: Callable[[], float] = time.thread_time,
    ) -> None:
        self._limits = limits
        self._wall = wall
        self._thread = thread
        self._document_left = limits.document
        self._started = thread()
        self._allowance = 0.0
        self._wall_deadline = wall()
        self._first_started = self._started
        self._had_all = False
        self._begun = False
        #: Whether time beyond a rule's limit may still be taken for a pause, and whether the rule that runs caused it.
        self._forgiving = True
        self._to_blame = False

    def begin_rule(self, *, again: bool = False) -> None:
        """Charge the rule before, and give the next one its allowance, within what the document has left.

        Args:
            again: the same rule is tried once more.

        Raises:
            OutOfTime: the document has nothing left.
        """
        now = self._thread()
        if self._begun:
            self._document_left -= self._charge(now - self._started)
        self._begun, self._to_blame = True, False
        self._started = now
        if not again:
            self._first_started = now
            self._had_all = self._document_left >= min(self._limits.rule, self._limits.document)
        self._allowance = min(self._limits.rule, self._document_left)
        self._wall_deadline = self._wall() + self._allowance
        if self._allowance <= 0:
            raise OutOfTime

    def _charge(self, spent: float) -> float:
        if spent > self._allowance and self._forgiving and not self._to_blame:
            self._forgiving = False
            return self._allowance
        return spent

    def left(self) -> float:
        """Seconds left for this rule, above 0.

        Raises:
            OutOfTime: nothing is left.
        """
        now = self._wall()
        if now >= self._wall_deadline:
            seconds = self._started + self._allowance - self._thread()
            if seconds <= 0:
                raise OutOfTime
            self._wall_deadline = now + seconds
        return self._wall_deadline - now

    def used_up(self) -> bool:
        """Whether the rule itself has used its time when one of its matches was stopped.

        The regex module watches the processor time of the whole process: other threads' work can stop a match early.
        """
        return self._thread() - self._started >= _USED_UP * self._allowance

    def charge_overrun(self) -> None:
        """What the rule takes beyond its limit was its own doing and is not forgiven.

        A rule that was stopped in the middle of a match took it itself: the regex module looks at the clock between
        steps, and a step can be as long as the text.
        """
        self._to_blame = True

    def ran_away(self) -> bool:
        """Whether a rule that was stopped has itself used up all the time a rule may have, in one attempt or several:
        not what the document had left, and not what other threads did meanwhile."""
        used = self._thread() - self._first_started
        return self._had_all and used >= _USED_UP * min(self._limits.rule, self._limits.document)
