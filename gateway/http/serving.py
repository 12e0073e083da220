"""Running the service: in one process, or as HTTP workers around one inference process."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import mark_process_dead

from gateway.engine import Engine
from gateway.errors import ConfigurationError
from gateway.home import Home
from gateway.http.worker import run_worker, serve_engine
from gateway.inference.process import load_models, run_inference, stopped_by_signals
from gateway.inference.remote import RemoteInference
from gateway.inference.supervisor import Child, Supervisor
from gateway.settings import Settings
from gateway.telemetry.logs import configure_logging
from gateway.telemetry.metrics import MULTIPROCESS_VARIABLE, Metrics

#: Told the engine once everything that serves is known.
Announce = Callable[[Engine], None]
_BACKLOG = 2048
#: Longest path of a Unix domain socket that every system takes.
_SOCKET_PATH_LIMIT = 100
_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"cannot listen on {host}, port {port}: {reason}") from error


def serve(home: Home, settings: Settings, listening: socket.socket, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        CascadeError: the home cannot be served, or the inference process does not start.
    """
    configure_logging(settings.log_level)
    if settings.workers == 1:
        _serve_alone(home, settings, listening, announce)
    else:
        _serve_with_workers(home, settings, listening, announce)


def _serve_alone(home: Home, settings: Settings, listening: socket.socket, announce: Announce) -> None:
    metrics = Metrics(CollectorRegistry())
    with stopped_by_signals():
        inference = load_models(home, settings, metrics)

        async def main() -> None:
            engine = await Engine.open(home, inference)
            announce(engine)
            await serve_engine(engine, settings, metrics, listening)

        try:
            asyncio.run(main())
        finally:
            if any(inference.depths.values()):
                # Its client was let go when the time to finish was over, and a forward pass cannot be interrupted.
                _log.warning("a model is still at work; ending without it")
                logging.shutdown()
                os._exit(0)


def _serve_with_workers(home: Home, settings: Settings, listening: socket.socket, announce: Announce) -> None:
    with _private_directory() as directory:
        metrics_directory = directory / "metrics"
        metrics_directory.mkdir()
        socket_path = directory / "inference.sock"
        inference = Child("inference", run_inference, (home, settings, socket_path))
        workers = [
            Child(f"worker-{number}", run_worker, (home, settings, listening, socket_path))
            for number in range(1, settings.workers + 1)
        ]

        def forget(process_id: int) -> None:
            mark_process_dead(process_id, path=str(metrics_directory))  # type: ignore[no-untyped-call]

        with (
            _environment(MULTIPROCESS_VARIABLE, str(metrics_directory)),
            Supervisor(workers, [inference], grace=settings.shutdown_timeout + 2, on_death=forget) as supervisor,
        ):
            inference.start()
            _await_inference(supervisor, inference, socket_path, settings.startup_timeout)
            if not supervisor.stopping:
                asyncio.run(_announce_remote(home, socket_path, announce))
                supervisor.run()


def _await_inference(supervisor: Supervisor, inference: Child, socket_path: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not supervisor.stopping:
        if not inference.alive:
            raise ConfigurationError(
                f"the inference process ended with exit code {inference.exit_code} while it was starting"
            )
        if socket_path.exists():
            return
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"the inference process was not ready within {seconds:g} s (CASCADE_STARTUP_TIMEOUT)"
            )
        supervisor.pause(0.05)


async def _announce_remote(home: Home, socket_path: Path, announce: Announce) -> None:
    inference = RemoteInference(socket_path)
    try:
        await inference.wait(10.0)
        announce(await Engine.open(home, inference))
    finally:
        await inference.close()


@contextmanager
def _private_directory() -> Iterator[Path]:
    """A directory only this user can enter, short enough for a socket's path; removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="cascade-"))
    if len(str(path)) > _SOCKET_PATH_LIMIT - len("/inference.sock"):
        path.rmdir()
        path = Path(tempfile.mkdtemp(prefix="cascade-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the children."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
