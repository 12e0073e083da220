"""The HTTP application, put together."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from gateway import __version__
from gateway.audit.auditor import Auditor
from gateway.audit.opening import auditing
from gateway.cost.accounting import Accounting
from gateway.cost.provisioned import Usage
from gateway.engine import Engine
from gateway.http.access import Access
from gateway.http.admission import Admission
from gateway.http.answering import Answering
from gateway.http.cache import AnswerCache
from gateway.http.cost_page import router as cost_router
from gateway.http.errors import install_error_handlers
from gateway.http.feedback import router as feedback_router
from gateway.http.front import Front
from gateway.http.keyfile import KeyStore
from gateway.http.openapi import describe
from gateway.http.routes import router
from gateway.http.scope import RequestScope
from gateway.http.service import Service
from gateway.settings import Settings
from gateway.shared.accounts import Accounts
from gateway.shared.occupancy import Occupancy
from gateway.shared.slots import state_directory
from gateway.telemetry.beginning import begin
from gateway.telemetry.exposition import MachineCollector
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.targets import TargetCollector

TITLE = "cascade-gateway"
DESCRIPTION = """Extracts fields from text with the cheapest tier that can be trusted: rules, a small model, a large
one. Every error has the shape `{"error": {"code", "message", "detail"?}}` with a stable code. Every answer carries
`X-Request-Id`, the caller's own where it sent one."""


class Application(FastAPI):
    """FastAPI behind :class:`RequestScope` and :class:`Front`."""

    def __init__(self, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> None:
        super().__init__(
            title=TITLE, version=__version__, description=DESCRIPTION, lifespan=lifespan, redirect_slashes=False
        )
        self._outermost = RequestScope(Front(super().__call__, lambda: self.state.service))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._outermost(scope, receive, send)


def create_app(
    open_engine: Callable[[], Awaitable[Engine]],
    settings: Settings,
    metrics: Metrics,
    run_directory: Path | None = None,
    home: Path | None = None,
) -> FastAPI:
    """The application; ``open_engine`` is called when it starts, and the engine closed when it ends.

    All workers of one service share ``run_directory``; without it this application is a service by itself. ``home``
    tells audits where the tasks' references lie.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with _service(settings, metrics, run_directory) as make:
            engine = await open_engine()
            begin(metrics, engine.tasks)
            metrics.collect_from(TargetCollector(lambda: engine.tasks))
            try:
                async with auditing(engine, settings, metrics, home) as auditor:
                    app.state.service = make(engine, auditor)
                    yield
            finally:
                await engine.close()
                await asyncio.to_thread(metrics.close)

    app = Application(lifespan)
    app.include_router(router)
    app.include_router(feedback_router)
    app.include_router(cost_router)
    install_error_handlers(app)
    describe(app)
    return app


@contextmanager
def _service(
    settings: Settings, metrics: Metrics, run_directory: Path | None
) -> Iterator[Callable[[Engine, Auditor], Service]]:
    """Opens what the service keeps beside its engine, and closes it at the end.

    Raises:
        KeyFileError: the file of keys cannot be used.
        ConfigurationError: a directory for shared state cannot be used.
    """
    keys = None if settings.keys is None else KeyStore(settings.keys)
    with ExitStack() as stack:
        run = run_directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cascade-")))
        shared = state_directory(run / "shared")
        state = shared if settings.state is None else state_directory(settings.state)
        accounts = Accounts(state / "accounts")
        stack.callback(accounts.close)
        occupancy = Occupancy(shared / "occupancy")
        stack.callback(occupancy.close)
        usage = Usage(shared / "usage")
        stack.callback(usage.close)
        admission = Admission(
            accounts, occupancy, limit=settings.max_requests, machine_limit=settings.max_requests_machine
        )
        cache = AnswerCache(settings.cache_bytes, settings.cache_seconds) if settings.cache_bytes else None

        def make(engine: Engine, auditor: Auditor) -> Service:
            accounting = Accounting.of(usage, settings)
            engine.account_with(accounting)
            metrics.collect_from(MachineCollector(accounting.machine))
            answering = Answering(engine, settings, metrics, accounts, cache, auditor)
            return Service(engine, settings, metrics, Access(keys, settings), admission, answering)

        yield make
