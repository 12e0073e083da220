"""Around every request: its id, its trace, its log line, and the last resort when something unexpected is raised."""

from __future__ import annotations

import logging
import os
import re
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import CascadeError
from gateway.http.responses import error_response
from gateway.telemetry.logs import REQUEST_ID, TRACE_PARENT, facts

_ACCEPTED = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
#: W3C Trace Context, version 00: trace id, parent id, flags; ids of zeros are no ids.
_TRACE = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
#: In a request's state: when it came (``time.perf_counter()``), and that the door was full.
CAME, SENT_AWAY = "came", "sent_away"
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_PATH_LIMIT = 200
_log = logging.getLogger("gateway.http")


def request_id(given: bytes | None) -> bytes:
    """The id a request came with, where that is harmless to log and repeat; a fresh one otherwise."""
    return given if given is not None and _ACCEPTED.fullmatch(given) else os.urandom(16).hex().encode()


def given_request_id(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """The id a request came with; headers are ASGI's."""
    return next((value for name, value in reversed(headers) if name == b"x-request-id"), None)


def trace_parent(given: bytes | None) -> bytes | None:
    """The ``traceparent`` a request came with, if it is one."""
    return given if given is not None and _TRACE.fullmatch(given) else None


class RequestScope:
    """ASGI middleware. Handlers add facts to the log line through ``scope["state"]["facts"]``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given_id = given_trace = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given_id = value
            elif name == b"traceparent":
                given_trace = value
        identifier, trace = request_id(given_id), trace_parent(given_trace)
        returned = [(b"x-request-id", identifier)]
        if trace is not None:
            returned.append((b"traceparent", trace))
        known: dict[str, Any] = {}
        state = scope.setdefault("state", {})
        state["facts"] = known
        started = state.setdefault(CAME, time.perf_counter())
        # No reset afterwards: every request is a task with a context of its own.
        REQUEST_ID.set(identifier.decode())
        TRACE_PARENT.set(trace.decode() if trace is not None else None)
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *returned]
            await send(message)

        try:
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                _log.exception("unexpected error")
                if status is not None:
                    raise  # half an answer is out: only breaking the connection tells the client
                error = CascadeError(f"internal error; the log has more under request id {identifier.decode()}")
                await error_response(error)(scope, receive, send_with_id)
        finally:
            level = logging.DEBUG if scope["path"] in _QUIET and (status or 500) < 500 else logging.INFO
            if _log.isEnabledFor(level):
                _log.log(
                    level,
                    "request",
                    extra=facts(
                        method=scope["method"],
                        path=scope["path"][:_PATH_LIMIT],
                        status=status,
                        duration_ms=round((time.perf_counter() - started) * 1000, 3),
                        **known,
                    ),
                )
