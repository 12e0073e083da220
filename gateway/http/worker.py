"""One HTTP worker: rules and the cascade here, models in the inference process."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from gateway.engine import Engine
from gateway.errors import CascadeError
from gateway.home import Home
from gateway.http.app import create_app
from gateway.inference.process import stopped_by_signals
from gateway.inference.remote import RemoteInference
from gateway.settings import Settings
from gateway.telemetry.logs import configure_logging
from gateway.telemetry.metrics import Metrics


async def serve_engine(engine: Engine, settings: Settings, metrics: Metrics, listening: socket.socket) -> None:
    """Answer requests on ``listening`` until a signal says stop; the engine is closed at the end."""

    async def opened() -> Engine:
        return engine

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(opened, settings, metrics),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.shutdown_timeout,
        )
    )
    await server.serve(sockets=[listening])


def run_worker(home: Home, settings: Settings, listening: socket.socket, socket_path: Path) -> None:
    """A worker process's main function."""
    configure_logging(settings.log_level)

    async def main() -> None:
        inference = RemoteInference(socket_path, timeout=settings.inference_timeout)
        try:
            await inference.wait(settings.startup_timeout)
            engine = await Engine.open(home, inference)
        except CascadeError as error:
            sys.exit(f"error[{error.code}]: {error.message}")  # the supervisor starts another
        await serve_engine(engine, settings, Metrics(CollectorRegistry()), listening)

    with stopped_by_signals():
        asyncio.run(main())
