"""The HTTP/1.1 protocol of the service: uvicorn's on httptools, with limits and timeouts it does not have, and with
every refusal in the one error shape.

What it adds: a limit on the request line and headers together, also while they arrive; a limit on connections; time
limits for headers, for a body that nobody reads any more, and for clients that do not read their answer; and the door
(:mod:`gateway.http.door`), where extraction requests beyond the limit are sent away unread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.errors import CascadeError, HeadersTooLarge, MalformedHttp, Overloaded
from gateway.http.body import BODY_ARRIVED, is_small
from gateway.http.door import Door
from gateway.http.responses import encode_json, error_headers
from gateway.http.scope import CAME, SENT_AWAY, given_request_id, request_id
from gateway.settings import Settings
from gateway.telemetry.logs import facts

_log = logging.getLogger("gateway.http")


@dataclass(frozen=True)
class ConnectionLimits:
    """What one connection may take; times in seconds."""

    connections: int
    header_bytes: int
    header_timeout: float
    body_timeout: float
    write_timeout: float


def server_options(settings: Settings, door: Door | None = None) -> dict[str, Any]:
    """Arguments for :class:`uvicorn.Config`; by default with a door of its own."""
    limits = ConnectionLimits(
        connections=settings.max_connections,
        header_bytes=settings.max_header_bytes,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        write_timeout=settings.write_timeout,
    )
    return {
        "http": type(
            "LimitedProtocol", (GuardedProtocol,), {"limits": limits, "door": door or Door(settings.max_requests)}
        ),
        "ws": "none",
        "timeout_keep_alive": settings.keep_alive,
        # Nothing here looks at the client's address.
        "proxy_headers": False,
        "server_header": False,
        "log_config": None,
        "access_log": False,
    }


class GuardedProtocol(HttpToolsProtocol):
    """One connection. ``limits`` and ``door`` are set by :func:`server_options`."""

    limits: ConnectionLimits
    door: Door

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_headers = False
        self._in_body = False
        self._header_bytes = 0
        self._body_came = False
        self._beside_body = 0
        self._begun = 0
        self._refused = False
        self._completing = False
        self._let_in: RequestResponseCycle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self._writing_timer: asyncio.TimerHandle | None = None

    # --- what arrives ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(Overloaded("as many connections as may be are open; ask again shortly"))
            return
        self._await_more(self.limits.header_timeout, self._headers_late)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        between, self._begun = not self._in_headers and not self._in_body, 0
        self._body_came = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Other protocols are not spoken here; the request has been begun as plain HTTP. What follows it may be
            # anything, so the connection ends with its answer.
            self.cycle.keep_alive = False
            self._refused = True
        except httptools.HttpParserError as error:
            found = error.__context__ if isinstance(error.__context__, CascadeError) else None
            self._refuse(found or MalformedHttp("this is not HTTP/1.1"))
            return
        # A line of headers reaches the parser's user only when it is whole: one without an end is seen here alone. What
        # came behind another request in the same piece is not counted: how much of the piece it is, nobody tells.
        if self._in_headers and self._begun == between:
            self._header_bytes += len(data)
        # What comes in a body without being part of it, extensions of chunks and trailers, is kept by the parser until
        # its line ends.
        self._beside_body = self._beside_body + len(data) if self._in_body and not self._body_came else 0
        in_headers = self._header_bytes if self._in_headers else 0
        if max(in_headers, self._beside_body) > self.limits.header_bytes:
            self._refuse(self._too_large())
        elif self._in_headers:
            self._await_more(self.limits.header_timeout, self._headers_late)
        elif self._in_body:
            self._await_more(self.limits.body_timeout, self._body_late)
        elif self._idle:
            # Line ends between requests: they are no sign of life.
            self._await_more(self.limits.header_timeout, self._headers_late)
        else:
            self._stop_waiting()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for trailers too: those are passed over, for they come after all decisions."""
        if not self._in_body:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body_came = True
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.limits.header_bytes:
            raise self._too_large()
        super().on_headers_complete()
        self._in_headers, self._in_body = False, True
        self._stop_waiting()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self._in_body = False
        self.cycle.scope["state"][BODY_ARRIVED] = True

    @property
    def _idle(self) -> bool:
        """Whether no request of this connection is without its whole answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _too_large(self) -> HeadersTooLarge:
        limit = self.limits.header_bytes
        return HeadersTooLarge(f"request line and headers are larger than {limit} bytes", detail={"limit": limit})

    # --- what is waited for ---

    def _await_more(self, seconds: float, late: Any) -> None:
        if self._reading_timer is None:
            self._reading_timer = self.loop.call_later(seconds, late)

    def _stop_waiting(self) -> None:
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None

    def _headers_late(self) -> None:
        self._reading_timer = None
        if self._idle:
            self.transport.close()

    def _body_late(self) -> None:
        """The application gives up bodies that it reads; one that it has answered without reading ends here."""
        self._reading_timer = None
        if self._in_body and self.cycle.response_complete:
            self.transport.close()

    def pause_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        super().resume_writing()
        if self._writing_timer is not None:
            self._writing_timer.cancel()
            self._writing_timer = None

    def on_response_complete(self) -> None:
        """Called when an answer has been handed to the transport."""
        self._leave()
        self._completing = True
        super().on_response_complete()
        self._completing = False
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._await_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Called on an idle connection."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _await_reader(self) -> None:
        if self._writing_timer is None:
            self._writing_timer = self.loop.call_later(self.limits.write_timeout, self._reader_late)

    def _reader_late(self) -> None:
        self._writing_timer = None
        if self.transport.get_write_buffer_size():
            _log.info("connection cut: its client does not read the answer", extra=facts(client=self._address()))
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_waiting()
        if self._writing_timer is not None:
            self._writing_timer.cancel()
            self._writing_timer = None

    def _address(self) -> str | None:
        return self.client[0] if self.client else None

    # --- through the door ---

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called when it is a request's turn on its connection: its headers are there, its body may be."""
        scope: Any = cycle.scope
        let_in = self.door.enter(scope["method"], scope["path"])
        if let_in is None:
            super()._start_asgi_task(cycle, app)
        elif let_in:
            scope["state"][CAME] = time.perf_counter()
            self._let_in = cycle
            self.door.begin(self.loop, partial(self._begin, cycle, app))
        elif self.flow.write_paused or not is_small(scope["headers"]):
            # The application says no: it can wait for the client to read, and for what is on its way.
            scope["state"][SENT_AWAY] = True
            super()._start_asgi_task(cycle, app)
        elif self._completing:
            self.loop.call_soon(self._send_away, cycle)  # or a long row of requests would end in deep recursion
        else:
            self._send_away(cycle)

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.disconnected:
            self._leave()
            return
        task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(partial(self._ended, cycle))

    def _ended(self, cycle: RequestResponseCycle, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self._let_in is cycle:  # it ended without a whole answer
            self._leave()

    def _leave(self) -> None:
        """The request that was let in has its answer, or needs none: its place is free at once."""
        if self._let_in is not None:
            self._let_in = None
            self.door.leave()

    def _send_away(self, cycle: RequestResponseCycle) -> None:
        if self._refused or cycle.disconnected or self.transport.is_closing():
            return
        keep = cycle.keep_alive and not self.door.closing()
        scope: Any = cycle.scope
        identifier = request_id(given_request_id(scope["headers"]))
        cycle.response_started = cycle.response_complete = True
        self.transport.write(self.door.refusal(self.loop, identifier, keep=keep))
        if not keep:
            self._refused = True
            self.transport.close()
        self.on_response_complete()

    # --- refusing ---

    def _refuse(self, error: CascadeError) -> None:
        """End the connection; with ``error`` as the answer, where one is due and none has begun."""
        self._refused = True
        cycle = self.cycle
        if not self._idle:
            if not self._in_body or cycle.response_started:
                # An earlier request is being answered: its answer is the last on this connection.
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline:  # it has not begun: an answer now would be taken for an earlier request's
                self.transport.close()
                return
        _log.info("connection refused", extra=facts(code=error.code, status=error.status, client=self._address()))
        self.transport.write(_answer(error))
        self.transport.close()


def _answer(error: CascadeError) -> bytes:
    body = encode_json(error.as_json())
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-request-id": os.urandom(16).hex(),
        "connection": "close",
        **error_headers(error),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[error.status] + lines.encode("ascii") + b"\r\n" + body
