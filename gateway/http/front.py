"""What every request passes before its route: its key, a place, its key's rate. Extraction goes straight from here to
the service: a framework's routing would cost it more than the cascade itself does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import CascadeError, Overloaded
from gateway.http.access import BATCH, EXTRACT
from gateway.http.admission import overloaded
from gateway.http.keys import Key
from gateway.http.refusal import refuse
from gateway.http.scope import SENT_AWAY
from gateway.http.service import Service

#: What proxies log for a client that left; nobody receives it.
CLIENT_CLOSED_REQUEST = 499


class Front:
    """ASGI application before ``routes``, which answer everything but extraction.

    Args:
        routes: the other routes.
        service: the service, once the application has started.
    """

    def __init__(self, routes: ASGIApp, service: Callable[[], Service]) -> None:
        self._routes = routes
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return
        service = self._service()
        path, facts = scope["path"], scope["state"]["facts"]
        try:
            key = service.access.check(path, scope["headers"])
            if key is not None:
                facts["key"] = key.id
        except CascadeError as error:
            facts["code"] = error.code
            if path in (EXTRACT, BATCH):
                service.metrics.refused.labels(error.code).inc()
            await refuse(error, scope, receive, send)
            return
        if scope["method"] == "POST" and path == EXTRACT:
            await self._answer(service, service.extract, key, scope, receive, send)
        elif scope["method"] == "POST" and path == BATCH:
            await self._answer(service, service.extract_batch, key, scope, receive, send)
        elif scope["method"] == "HEAD":
            # The server leaves the body out: it looks at the scope it made itself.
            await self._routes({**scope, "method": "GET"}, receive, send)
        else:
            await self._routes(scope, receive, send)

    async def _answer(
        self,
        service: Service,
        work: Callable[[Scope, Receive, Key | None], Awaitable[ASGIApp]],
        key: Key | None,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        admitted = False
        admission = service.admission
        try:
            if SENT_AWAY in scope["state"]:
                raise overloaded()
            admission.enter()
            try:
                admission.check_rate(key)
                admitted = True
                response = await work(scope, receive, key)
                await response(scope, receive, send)
            finally:
                admission.leave()
        except CascadeError as error:
            scope["state"]["facts"]["code"] = error.code
            if not admitted or isinstance(error, Overloaded):
                service.metrics.refused.labels(error.code).inc()
            await refuse(error, scope, receive, send)
        except ClientDisconnect:
            await Response(status_code=CLIENT_CLOSED_REQUEST)(scope, receive, send)
