"""The HTTP application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway import __version__
from gateway.engine import Engine
from gateway.http.errors import install_error_handlers
from gateway.http.routes import router
from gateway.http.schemas import ExtractRequest
from gateway.http.scope import RequestScope
from gateway.http.service import Service
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics

TITLE = "cascade-gateway"
DESCRIPTION = """Extracts fields from text with the cheapest tier that can be trusted: rules, a small model, a large
one. Every error has the shape `{"error": {"code", "message", "detail"?}}` with a stable code. Every answer carries
`X-Request-Id`, the caller's own where it sent one."""


def create_app(open_engine: Callable[[], Awaitable[Engine]], settings: Settings, metrics: Metrics) -> FastAPI:
    """The application; ``open_engine`` is called when it starts, and the engine closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = await open_engine()
        app.state.service = Service(engine, settings, metrics)
        try:
            yield
        finally:
            await engine.close()

    app = FastAPI(
        title=TITLE,
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.include_router(router)
    install_error_handlers(app)
    app.add_middleware(RequestScope)
    _document_request(app)
    return app


def _document_request(app: FastAPI) -> None:
    """Put the request's schema, which its route reads by hand, into the OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["ExtractRequest"] = ExtractRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
