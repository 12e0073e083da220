"""One HTTP worker: rules and the cascade here, models in the inference process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from gateway.engine import Engine
from gateway.errors import CascadeError
from gateway.home import Home
from gateway.http.app import create_app
from gateway.http.door import Door
from gateway.http.gate import Gate
from gateway.http.protocol import server_options
from gateway.inference.process import stopped_by_signals
from gateway.inference.remote import RemoteInference
from gateway.reload.hosting import follower
from gateway.reload.store import Store
from gateway.settings import Settings
from gateway.telemetry.logs import configure_logging
from gateway.telemetry.metrics import Metrics

_READY = "ready-"
#: Seconds the application gets to let go of models and connections; what it was loading then is left.
_CLOSING_SECONDS = 1.0
#: How long idle connections are still read once new ones are refused; and those that have sent nothing yet, whose first
#: request is on its way more likely than not.
_LINGER_SECONDS, _FRESH_SECONDS = 0.1, 1.0


class DrainingServer(uvicorn.Server):
    """Ends in steps. The first signal closes the gate; after ``drain_seconds`` (at once for SIGINT) connections are
    refused and what is under way gets its time to finish. A second signal ends it without waiting.
    """

    def __init__(self, config: uvicorn.Config, gate: Gate, drain_seconds: float) -> None:
        super().__init__(config)
        self._gate = gate
        self._drain_seconds = drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """See :meth:`uvicorn.Server.serve`."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by Python's signal handling, in the main thread."""
        self._captured_signals.append(sig)
        if self._gate.state == "draining" or self._loop is None:
            self.should_exit = self.force_exit = True
            return
        self._gate.drain()
        if sig == signal.SIGTERM and self._drain_seconds > 0:
            self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self.stop)
        else:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See :meth:`uvicorn.Server.shutdown`, which closes idle connections at once: one on which a request has just
        come in would be lost. Here they are read for a moment more; every answer then closes its connection."""
        await _events_seen()
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        if not self.force_exit:
            await asyncio.sleep(_LINGER_SECONDS)
            until = time.monotonic() + _FRESH_SECONDS - _LINGER_SECONDS
            while self._fresh() and time.monotonic() < until:
                await asyncio.sleep(_LINGER_SECONDS)
            await _events_seen()
        await super().shutdown(sockets)

    def _fresh(self) -> bool:
        """Whether there is a connection on which nothing has been asked yet, and time to wait for it."""
        connections = self.server_state.connections
        return not self.force_exit and any(getattr(connection, "cycle", None) is None for connection in connections)

    def stop(self) -> None:
        """Refuse connections, finish what is under way, and end."""
        self.should_exit = True


async def _events_seen() -> None:
    """Let the event loop take what has come in: connections to accept, and requests on those it has."""
    for _ in range(3):
        await asyncio.sleep(0)


async def serve_engine(
    open_engine: Callable[[], Awaitable[Engine]],
    settings: Settings,
    metrics: Metrics,
    listening: socket.socket,
    run_directory: Path,
    home: Path | None = None,
) -> None:
    """Answer requests on ``listening`` until a signal says stop; the engine is closed at the end. All workers of one
    service share ``run_directory``.

    The server answers from the start; ``open_engine`` is called beside it. Only where another worker of the service is
    open already does it wait for that before it answers.

    Raises:
        CascadeError: what ``open_engine`` raised; the server has ended then.
    """
    app = create_app(open_engine, settings, metrics, run_directory, home)
    gate = Gate(app, lambda: app.router.lifespan_context(app))
    door = Door(
        settings.max_requests,
        refused=lambda code: metrics.refused.labels(code).inc(),
        closing=lambda: gate.state == "draining",
    )
    server = DrainingServer(
        uvicorn.Config(
            gate,
            lifespan="off",
            **server_options(settings, door),
            timeout_graceful_shutdown=settings.shutdown_timeout,
        ),
        gate,
        settings.drain_seconds,
    )
    opening = asyncio.create_task(gate.run())
    opening.add_done_callback(lambda _: server.stop())  # when it could not be opened
    if any(run_directory.glob(f"{_READY}*")):
        # A worker that takes another's place: requests shall go to those that can answer until this one can, too.
        open_now = asyncio.create_task(gate.wait_until_open())
        await asyncio.wait((open_now, opening), return_when=asyncio.FIRST_COMPLETED)
        open_now.cancel()
    try:
        await server.serve(sockets=[listening])
    finally:
        gate.close()
        await asyncio.wait((opening,), timeout=_CLOSING_SECONDS)
        opening.cancel()
    if not opening.cancelled():
        opening.result()


def run_in_loop(main: Coroutine[Any, Any, None]) -> None:
    """As :func:`asyncio.run`, on uvloop where it is installed."""
    factory = uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def _ready_file(run_directory: Path, process_id: int) -> Path:
    return run_directory / f"{_READY}{process_id}"


def ready_workers(run_directory: Path) -> int:
    """How many workers have loaded everything since the service was started."""
    return len(list(run_directory.glob("ready-*")))


def run_worker(home: Home, settings: Settings, listening: socket.socket, socket_path: Path, store: Store) -> None:
    """A worker process's main function."""
    configure_logging(settings.log_level)

    async def main() -> None:
        inference = RemoteInference(socket_path, timeout=settings.inference_timeout)

        async def open_engine() -> Engine:
            await inference.wait(settings.startup_timeout)
            engine = await follower(home, store, inference, metrics).open()
            _ready_file(socket_path.parent, os.getpid()).touch()
            return engine

        try:
            metrics = Metrics.of(settings)
            await serve_engine(open_engine, settings, metrics, listening, socket_path.parent, home.path)
        except CascadeError as error:
            sys.exit(f"error[{error.code}]: {error.message}")  # the supervisor starts another

    with stopped_by_signals():
        run_in_loop(main())
