"""CPU seconds that no tier accounts for, shared out over the requests that caused them.

Everything an event loop's thread does beside the tiers is overhead of requests: HTTP, JSON, the cascade, queues,
metrics, the socket between processes. Nobody can tell which microsecond of it belongs to which request, but all of it
together is known exactly: it is what the thread's own CPU clock says, less the tiers' work on that thread. In a worker
beside others, where no models run, it is the whole process's clock: scrapes and the watch for edited rules count too.

That remainder gathers in a pool. A request that is about to be answered takes its part, the pool over the requests
that are under way; what is spent on it afterwards (writing the answer, say) falls to those after it. So the sum over
requests is what was spent, whoever took which part of it. What a thread spends in a pause longer than :data:`PAUSE` is
nobody's. Beside a worker there is the supervisor, which works for all of them alike: each adds its part of that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

#: Seconds without a request after which what the thread does counts as idling.
PAUSE = 1.0
#: How often it is looked what other processes spent, in seconds.
_LOOK = 0.25
#: ``utime`` and ``stime`` in ``/proc/PID/stat``, counted behind the command's name (proc(5)).
_UTIME, _STIME = 11, 12


def process_seconds(process: int) -> float | None:
    """User and system time of a process, to hundredths of a second; ``None`` where the system does not tell."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    # The command's name stands in brackets and may hold anything, brackets too.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")


def part_of(process: int, parts: int) -> Callable[[], float]:
    """CPU seconds of another process so far, over ``parts``; always 0 where they are not known."""
    return lambda: (process_seconds(process) or 0.0) / parts


class LoopMeter:
    """The overhead of one event loop. All methods are for its thread alone.

    Args:
        others: CPU seconds so far that were spent elsewhere for this loop's requests.
        cpu_clock: CPU seconds of the loop's thread; of the whole process where nothing else runs in it.
        clock: a steady clock.
    """

    def __init__(
        self,
        others: Callable[[], float] | None = None,
        cpu_clock: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._others = others
        self._cpu_clock = cpu_clock
        self._clock = clock
        self._under_way = 0
        self._seen = 0.0
        self._pool = 0.0
        self._idle_since = float("-inf")
        self._looked, self._others_seen = float("-inf"), 0.0

    def begin(self) -> None:
        """A request has come."""
        if not self._under_way and self._clock() - self._idle_since > PAUSE:
            self._seen = self._cpu_clock()
            self._look()
        self._under_way += 1

    def _look(self) -> float:
        """What the others have spent since the last look."""
        if self._others is None or (now := self._clock()) - self._looked < _LOOK:
            return 0.0
        self._looked = now
        before, self._others_seen = self._others_seen, self._others()
        return max(0.0, self._others_seen - before)

    def exclude(self, seconds: float) -> None:
        """A tier spent CPU seconds on this thread and accounts for them itself."""
        self._pool -= seconds

    def take(self) -> float:
        """The part of a request that is about to be answered, in CPU seconds."""
        now = self._cpu_clock()
        self._pool += now - self._seen + self._look()
        self._seen = now
        if self._pool <= 0.0:
            return 0.0
        share = self._pool / max(1, self._under_way)
        self._pool -= share
        return share

    def end(self) -> None:
        """A request is over, however it ended."""
        self._under_way -= 1
        if not self._under_way:
            self._idle_since = self._clock()
