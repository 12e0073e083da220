"""Child processes: started, watched, started again when they die, stopped together."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import Any

from gateway.telemetry.logs import facts

_SPAWN = multiprocessing.get_context("spawn")
#: A child that lived this long starts again at once; one that dies sooner waits, twice as long each time.
_STEADY_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
#: How soon a second signal is noticed while children end.
_PATIENCE = 0.1
_log = logging.getLogger(__name__)


@dataclass
class Child:
    """One process: ``target(*args)`` in a fresh interpreter."""

    name: str
    target: Callable[..., None]
    args: tuple[Any, ...] = ()
    process: SpawnProcess | None = None
    restarts: int = 0
    _started: float = 0.0
    _pause: float = _FIRST_PAUSE
    _next_start: float = field(default=0.0, repr=False)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    @property
    def exit_code(self) -> int | None:
        return None if self.process is None else self.process.exitcode

    def start(self) -> None:
        """Start it."""
        self.process = _SPAWN.Process(target=_main, args=(self.target, *self.args), name=self.name)
        self.process.start()
        self._started = time.monotonic()
        _log.info("process started", extra=facts(process=self.name, pid=self.process.pid, restarts=self.restarts))

    def plan_restart(self) -> float:
        """Note when to start it again after it died: in so many seconds."""
        now = time.monotonic()
        if now - self._started >= _STEADY_SECONDS:
            self._pause = _FIRST_PAUSE
        pause = self._pause
        self._next_start = now + pause
        self._pause = min(2 * pause, _LONGEST_PAUSE)
        return pause

    @property
    def due(self) -> bool:
        """Whether it is dead and its pause is over."""
        return self.process is None and time.monotonic() >= self._next_start

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.process is not None and self.process.is_alive():
            self.process.terminate()

    def hang_up(self) -> None:
        """Send SIGHUP: look for what changed on disk."""
        if self.process is not None and self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGHUP)

    def await_end(self, seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Wait until it has ended, and make it end after ``seconds`` or as soon as ``hurry`` says so."""
        if self.process is None:
            return
        deadline = time.monotonic() + seconds
        while self.process.is_alive() and not hurry() and (left := deadline - time.monotonic()) > 0:
            self.process.join(min(left, _PATIENCE))
        if self.process.is_alive():
            _log.warning("process did not end and is killed", extra=facts(process=self.name, pid=self.process.pid))
            self.process.kill()
            self.process.join()


class Supervisor:
    """Keeps children running until SIGTERM or SIGINT (or :meth:`stop`). Use it as a context manager, in the main
    thread. A second signal kills children that are still ending; SIGHUP is passed on to all of them.

    Args:
        groups: children that stop together, one group after the other: those that use others come first.
        grace: seconds a group gets to end.
        on_death: told the process id of a child that died.
        on_stop: called before children are asked to stop, for what only they shall hold from then on.
    """

    def __init__(
        self,
        *groups: Sequence[Child],
        grace: float,
        on_death: Callable[[int], None] | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._groups = groups
        self.children = tuple(child for group in groups for child in group)
        self._grace = grace
        self._on_death = on_death
        self._on_stop = on_stop
        self._stopping = False
        self._hurrying = False
        self._wake_read, self._wake_write = os.pipe()
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Supervisor:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, lambda *_: self._told_to_stop())
        self._handlers[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: self._pass_on_hangup())
        return self

    def __exit__(self, *_: object) -> None:
        # The signals stay ours until the last child is gone: a second one must not leave any behind.
        if self._on_stop is not None:
            self._on_stop()
        for group in self._groups:
            for child in group:
                child.ask_to_stop()
            deadline = time.monotonic() + self._grace
            for child in group:
                child.await_end(max(0.0, deadline - time.monotonic()), lambda: self._hurrying)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._wake_read)
        os.close(self._wake_write)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def stop(self) -> None:
        """Let :meth:`run` and :meth:`pause` return."""
        self._stopping = True
        os.write(self._wake_write, b".")

    def _told_to_stop(self) -> None:
        self._hurrying = self._stopping
        self.stop()

    def _pass_on_hangup(self) -> None:
        for child in self.children:
            child.hang_up()

    def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until something happens to a child or this is to stop."""
        sentinels = [child.process.sentinel for child in self.children if child.process is not None and child.alive]
        connection.wait([*sentinels, self._wake_read], seconds)

    def run(self) -> None:
        """Start what is not running, again and again, until told to stop."""
        while not self._stopping:
            for child in self.children:
                if child.process is not None and not child.alive:
                    self._bury(child)
                if child.due:
                    child.start()
            self.pause(0.5)

    def _bury(self, child: Child) -> None:
        process = child.process
        assert process is not None
        _log.error("process died", extra=facts(process=child.name, pid=process.pid, exit_code=process.exitcode))
        if self._on_death is not None and process.pid is not None:
            self._on_death(process.pid)
        process.join()
        child.process = None
        child.restarts += 1
        child.plan_restart()


def _main(target: Callable[..., None], *args: Any) -> None:
    # The terminal's interrupt reaches the whole process group; only the parent decides what ends when.
    os.setsid()
    # Until there is something to reload; by default it would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    target(*args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
