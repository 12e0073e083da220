from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from gateway.inference.supervisor import Child, Supervisor


def watching(supervisor: Supervisor, look: Callable[[], None]) -> threading.Thread:
    """Run ``look`` beside the supervisor, and stop the supervisor when it is done."""

    def run() -> None:
        try:
            look()
        finally:
            supervisor.stop()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_child_that_dies_is_started_again_and_all_end_together(eventually: Callable[..., None]) -> None:
    child, other = Child("child", time.sleep, (60,)), Child("other", time.sleep, (60,))
    died: list[int] = []
    first_pids: list[int] = []

    def look() -> None:
        eventually(lambda: child.alive and other.alive, 30)
        assert child.process is not None
        pid = child.process.pid
        assert pid is not None
        first_pids.append(pid)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: child.alive and child.process is not None and child.process.pid != pid, 30)

    with Supervisor([child, other], grace=5, on_death=died.append) as supervisor:
        thread = watching(supervisor, look)
        supervisor.run()
    thread.join()
    assert died == first_pids
    assert (child.restarts, other.restarts) == (1, 0)
    assert not child.alive
    assert not other.alive


def test_sigterm_ends_it_and_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    child = Child("child", time.sleep, (60,))
    with Supervisor([child], grace=5) as supervisor:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        supervisor.run()
        assert supervisor.stopping
    assert not child.alive
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_child_that_keeps_failing_is_started_less_and_less_often() -> None:
    child = Child("failing", sys.exit, (3,))
    pauses = []
    for _ in range(3):
        child.start()
        assert child.process is not None
        child.process.join(30)
        assert child.exit_code == 3
        child.process = None
        pauses.append(round(child.plan_restart(), 1))
        assert not child.due
    assert pauses == [0.5, 1.0, 2.0]
