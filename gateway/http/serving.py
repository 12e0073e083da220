"""Running the service: in one process, or as HTTP workers around one inference process."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from gateway.engine import Engine
from gateway.errors import ConfigurationError
from gateway.home import Home
from gateway.http.keyfile import read_keys
from gateway.http.worker import ready_workers, run_in_loop, run_worker, serve_engine
from gateway.inference.local import LocalInference
from gateway.inference.process import end_if_busy, load_models, reloading, run_inference, stopped_by_signals
from gateway.inference.remote import RemoteInference
from gateway.inference.supervisor import Child, Supervisor
from gateway.reload.hosting import follower, publishing
from gateway.settings import Settings
from gateway.telemetry.logs import configure_logging, facts, warn_of_documents
from gateway.telemetry.metrics import MULTIPROCESS_VARIABLE, Metrics
from gateway.telemetry.spans import check_installed

#: Told the engine once everything that serves is known.
Announce = Callable[[Engine], None]
_BACKLOG = 2048
#: Files that a process opens beside its clients' connections: those to models and upstreams, shared state, edits.
_OTHER_FILES = 124
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
    """Serve until SIGTERM or SIGINT; SIGHUP takes up models that changed on disk.

    Raises:
        CascadeError: the home cannot be served, or the inference process does not start.
    """
    configure_logging(settings.log_level)
    if settings.log_documents:
        warn_of_documents()
    check_installed(settings)
    _make_room_for(settings.max_connections)
    if settings.keys is not None:
        read_keys(settings.keys)  # a wrong file is an error before any model is loaded
    for name in home.tasks():
        home.task(name)  # so are wrong upstreams; once it serves, they leave the tier as it was
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    if settings.workers == 1:
        _serve_alone(home, settings, listening, announce)
    else:
        _serve_with_workers(home, settings, listening, announce)


def _make_room_for(connections: int) -> None:
    """Let this process, and those it starts, open as many files as its connections may need, as far as the system
    allows: without a file to spare nothing is accepted, reloaded or sent to the models."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _log.warning(
            "fewer files may be open than CASCADE_MAX_CONNECTIONS needs; lower it or raise the limit (ulimit -n)",
            extra=facts(limit=allowed, connections=connections, needed=wanted),
        )


def _serve_alone(home: Home, settings: Settings, listening: socket.socket, announce: Announce) -> None:
    metrics = Metrics.of(settings)
    loaded: list[LocalInference] = []

    async def main() -> None:
        async with AsyncExitStack() as stack:

            async def open_engine() -> Engine:
                inference = await asyncio.to_thread(load_models, home, settings, metrics)
                loaded.append(inference)
                store = stack.enter_context(publishing(home, run_directory, watching=settings.reload))
                engine = await follower(home, store, inference, metrics).open()
                await stack.enter_async_context(reloading(inference, settings))
                announce(engine)
                return engine

            await serve_engine(open_engine, settings, metrics, listening, run_directory, home.path)

    try:
        with stopped_by_signals(), _private_directory() as run_directory:
            run_in_loop(main())
    finally:
        for inference in loaded:
            end_if_busy(inference)


def _serve_with_workers(home: Home, settings: Settings, listening: socket.socket, announce: Announce) -> None:
    with (
        _private_directory() as directory,
        publishing(home, directory / "reload", watching=settings.reload) as store,
    ):
        metrics_directory = directory / "metrics"
        metrics_directory.mkdir()
        socket_path = directory / "inference.sock"
        inference = Child("inference", run_inference, (home, settings, socket_path))
        workers = [
            Child(f"worker-{number}", run_worker, (home, settings, listening, socket_path, store))
            for number in range(1, settings.workers + 1)
        ]

        def forget(process_id: int) -> None:
            mark_process_dead(process_id, path=str(metrics_directory))  # type: ignore[no-untyped-call]
            store.forget(process_id)

        grace = settings.drain_seconds + settings.shutdown_timeout + 2
        with (
            _environment(MULTIPROCESS_VARIABLE, str(metrics_directory)),
            # A socket that still listens here would let clients in whom no worker answers any more.
            Supervisor(workers, [inference], grace=grace, on_death=forget, on_stop=listening.close) as supervisor,
        ):
            # Workers first: they say that they are alive, and that they are not ready, while the models load.
            for child in supervisor.children:
                child.start()
            # A parent that is told to stop meanwhile stops waiting.
            _await(supervisor, [inference], socket_path.exists, settings.startup_timeout)
            if not supervisor.stopping:
                asyncio.run(_announce_remote(supervisor, home, socket_path, announce, settings))
                supervisor.run()


def _await(supervisor: Supervisor, children: Sequence[Child], ready: Callable[[], bool], seconds: float) -> None:
    """Wait until ``ready`` says so or the supervisor is told to stop.

    Raises:
        ConfigurationError: a child ended, or it took longer than ``seconds``.
    """
    deadline = time.monotonic() + seconds
    names = " and ".join(child.name for child in children)
    while not supervisor.stopping and not ready():
        for child in children:
            if not child.alive:
                raise ConfigurationError(
                    f"the {child.name} process ended with exit code {child.exit_code} while it was starting"
                )
        if time.monotonic() > deadline:
            raise ConfigurationError(f"{names} not ready within {seconds:g} s (CASCADE_STARTUP_TIMEOUT)")
        supervisor.pause(0.05)


async def _announce_remote(
    supervisor: Supervisor, home: Home, socket_path: Path, announce: Announce, settings: Settings
) -> None:
    inference = RemoteInference(socket_path)
    try:
        await inference.wait(10.0)
        # What is wrong with the home is said here, once, and not by every worker.
        engine = await Engine.open(home, inference)
        workers = [child for child in supervisor.children if child.target is run_worker]
        _await(supervisor, workers, lambda: ready_workers(socket_path.parent) >= len(workers), settings.startup_timeout)
        if not supervisor.stopping:
            announce(engine)
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
