"""CPU seconds of single threads: what a forward pass really spent, whatever else the process does meanwhile.

A process's own clock counts all of its threads, so two requests at a time would each be charged for both; the calling
thread's clock misses what a runtime's pool of helper threads does for it. Linux keeps a clock for every thread, which
``clock_gettime`` reads by the thread's id.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
_TASKS = "/proc/self/task"
#: How Linux names the CPU clock of thread ``tid``: ``(~tid << 3) | CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED``
#: (``include/linux/posix-timers.h``).
_PER_THREAD_SCHEDULED = 4 | 2


def seconds_of(threads: Sequence[int]) -> float:
    """CPU seconds that threads of this process have spent, by their native ids; a thread that has ended counts 0."""
    return sum(map(_seconds, threads))


def _seconds(thread: int) -> float:
    try:
        return time.clock_gettime((~thread << 3) | _PER_THREAD_SCHEDULED)
    except OSError:
        return 0.0  # it has ended


def counting_threads(make: Callable[[], T]) -> tuple[T, tuple[int, ...]]:
    """The result of ``make`` and the native ids of the threads it started that Python does not know: a runtime's own.

    Other Python threads may start meanwhile; another runtime's must not.
    """
    before = _native_threads()
    made = make()
    return made, tuple(sorted(_native_threads() - before))


def _native_threads() -> set[int]:
    try:
        every = {int(name) for name in os.listdir(_TASKS)}
    except OSError:
        return set()  # not Linux: helper threads go uncounted
    return every - {thread.native_id for thread in threading.enumerate() if thread.native_id is not None}
