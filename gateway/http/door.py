"""The door of a worker: how many extraction requests are inside, in which order they begin, and who is sent away.

The door stands in the protocol, before anything is read, parsed or scheduled. A request beyond the limit costs a few
microseconds there: its answer is written from prepared bytes, whatever the worker is busy with. Of those inside, only a
few begin in one turn of the event loop, so that between them the worker goes on reading what arrives: a refusal never
waits for the work of all who came before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from gateway.http.access import BATCH, EXTRACT
from gateway.http.admission import overloaded
from gateway.http.responses import encode_json, error_headers
from gateway.telemetry.logs import facts

#: Requests that begin in one turn of the event loop. Each may take milliseconds of rules.
_BEGIN_A_TURN = 2
#: Refusals are logged together, once in so many seconds: a line each would cost more than the refusals.
_LOG_SECONDS = 1.0
_log = logging.getLogger("gateway.http")


class Door:
    """Counts the extraction requests of one process, from their headers until their answer.

    Args:
        limit: requests inside at the same time.
        refused: told of the error's code for each request that is sent away.
        closing: whether answers shall end their connections.
    """

    def __init__(
        self,
        limit: int,
        refused: Callable[[str], None] = lambda _code: None,
        closing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._limit = limit
        self._refused = refused
        self.closing = closing
        self._inside = 0
        self._begin: deque[Callable[[], None]] = deque()
        self._unlogged = 0
        error = overloaded()
        self._code = error.code
        self._body = encode_json(error.as_json())
        head = {"content-type": "application/json", "content-length": str(len(self._body)), **error_headers(error)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self._head = f"HTTP/1.1 {error.status} Service Unavailable\r\n{lines}x-request-id: ".encode("ascii")

    @property
    def inside(self) -> int:
        """Requests that were let in and have not been answered."""
        return self._inside

    def enter(self, method: str, path: str) -> bool | None:
        """Whether a request may come in: ``None`` where the door does not count it, being no extraction. One that
        came in must :meth:`leave`."""
        if method != "POST" or (path != EXTRACT and path != BATCH):
            return None
        if self._inside >= self._limit:
            return False
        self._inside += 1
        return True

    def leave(self) -> None:
        """A request that came in has its answer, or needs none any more."""
        self._inside -= 1

    def begin(self, loop: asyncio.AbstractEventLoop, start: Callable[[], None]) -> None:
        """Call ``start`` when it is its turn."""
        self._begin.append(start)
        if len(self._begin) == 1:
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._begin
        for _ in range(min(_BEGIN_A_TURN, len(waiting))):
            waiting.popleft()()
        if waiting:
            loop.call_soon(self._next, loop)

    def refusal(self, loop: asyncio.AbstractEventLoop, identifier: bytes, *, keep: bool) -> bytes:
        """The whole answer to a request that is sent away, which is counted; without ``keep`` the connection ends."""
        self._refused(self._code)
        self._unlogged += 1
        if self._unlogged == 1:
            loop.call_later(_LOG_SECONDS, self._log)
        return b"%b%b\r\n%b\r\n%b" % (self._head, identifier, b"" if keep else b"connection: close\r\n", self._body)

    def _log(self) -> None:
        _log.warning("requests refused", extra=facts(code=self._code, requests=self._unlogged, inside=self._inside))
        self._unlogged = 0
