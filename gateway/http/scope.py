"""Around every request: its id, its log line, and the last resort when something unexpected is raised."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import CascadeError
from gateway.http.responses import error_response
from gateway.telemetry.logs import REQUEST_ID, facts

HEADER = "X-Request-Id"
_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_PATH_LIMIT = 200
_log = logging.getLogger("gateway.http")


def request_id(given: str | None) -> str:
    """The id a request came with, where that is harmless to log and repeat; a fresh one otherwise."""
    return given if given is not None and _ACCEPTED.fullmatch(given) else uuid.uuid4().hex


class RequestScope:
    """ASGI middleware. Handlers add facts to the log line through ``request.state.facts``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identifier = request_id(Headers(scope=scope).get(HEADER))
        known: dict[str, Any] = {}
        scope.setdefault("state", {})["facts"] = known
        token = REQUEST_ID.set(identifier)
        started = time.perf_counter()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = identifier
            await send(message)

        try:
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                _log.exception("unexpected error")
                if status is not None:
                    raise  # half an answer is out: only breaking the connection tells the client
                error = CascadeError(f"internal error; the log has more under request id {identifier}")
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
            REQUEST_ID.reset(token)
