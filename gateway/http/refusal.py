"""Saying no to a request whose body nobody will read, without being held up by it."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import Receive, Scope, Send

from gateway.errors import CascadeError, RequestTimeout
from gateway.http.body import BODY_READ, is_small
from gateway.http.responses import error_response

#: What is read and thrown away of a larger one after the answer, so that a client that sends everything before it reads
#: gets to see the answer; a connection closed at once would be reset under it.
_DRAIN_BYTES = 32 * 1024 * 1024
_DRAIN_SECONDS = 2.0


async def refuse(error: CascadeError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with ``error`` at once, whatever of the body has been read."""
    response = error_response(error)
    headers = dict(scope["headers"])
    late = isinstance(error, RequestTimeout)
    if scope["state"].get(BODY_READ) or (is_small(scope["headers"]) and not late):
        await response(scope, receive, send)
        return
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": [*response.raw_headers, (b"connection", b"close")],
        }
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    # A client that awaits "100 Continue" has sent nothing yet and need not.
    if b"expect" not in headers and not late:
        await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    drained = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while drained <= _DRAIN_BYTES:
                message = await receive()
                drained += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
