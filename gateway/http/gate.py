"""The gate before the application: it answers while models load, and is not ready while the service ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import NotReady
from gateway.http.responses import UnicodeResponse, error_response

State = Literal["loading", "open", "draining"]
HEALTH, READY = "/healthz", "/readyz"
#: What a client is told to wait before it asks again while models load.
_RETRY_SECONDS = 2


class Gate:
    """ASGI application around another one, whose lifespan it runs beside the server instead of before it.

    * ``loading``: ``/healthz`` says that the process is alive; everything else is refused with ``not-ready``.
    * ``open``: requests pass.
    * ``draining``: requests pass, but ``/readyz`` says no, and every answer asks its client to close the connection.

    Args:
        app: the application.
        lifespan: makes the context the application runs in (``app.router.lifespan_context``).
    """

    def __init__(self, app: ASGIApp, lifespan: Callable[[], AbstractAsyncContextManager[object]]) -> None:
        self._app = app
        self._lifespan = lifespan
        self._opened = False
        self._draining = False
        self._closing = asyncio.Event()
        self._now_open = asyncio.Event()

    @property
    def state(self) -> State:
        return "draining" if self._draining else "open" if self._opened else "loading"

    async def run(self) -> None:
        """Open the application, and close it again after :meth:`close`. What its opening raises comes out here."""
        async with self._lifespan():
            self._opened = True
            self._now_open.set()
            await self._closing.wait()
            self._opened = False

    async def wait_until_open(self) -> None:
        """Return when the application is open."""
        await self._now_open.wait()

    def drain(self) -> None:
        """From now on, be not ready."""
        self._draining = True

    def close(self) -> None:
        """Let :meth:`run` end."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no lifespan protocol, no WebSockets
        if self._draining:
            send = _closing_connection(send)
        if self._draining and scope["path"] == READY:
            await self._refuse("the service is shutting down")(scope, receive, send)
        elif self._opened:
            await self._app(scope, receive, send)
        elif scope["path"] == HEALTH:
            await UnicodeResponse({"status": "ok"})(scope, receive, send)
        else:
            # The body is left unread: whoever sends much is cut off.
            await self._refuse("models are loading")(scope, receive, _closing_connection(send))

    def _refuse(self, why: str) -> UnicodeResponse:
        error = NotReady(why, detail={"status": self.state})
        return error_response(error, {"Retry-After": str(_RETRY_SECONDS)})


def _closing_connection(send: Send) -> Send:
    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
        await send(message)

    return closing
