"""The inference process's main function, and how this process's models are loaded from the settings."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import CascadeError
from gateway.home import Home
from gateway.inference.batching import Limits
from gateway.inference.cpus import available_cpus
from gateway.inference.local import LocalInference, model_loader
from gateway.inference.remote import board_path
from gateway.inference.server import inference_server
from gateway.inference.shares import shares
from gateway.settings import Settings
from gateway.shared.queues import QueueBoard
from gateway.telemetry.logs import configure_logging
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.upstreams import UpstreamMetrics

_log = logging.getLogger(__name__)


def load_models(home: Home, settings: Settings, metrics: Metrics, board: QueueBoard | None = None) -> LocalInference:
    """Load every task's models as ``settings`` say. Blocks until they are loaded and warm. Workers in other processes
    see on ``board`` how full the queues are.

    Raises:
        TaskFileError: a ``task.yaml`` is wrong.
    """
    parts = shares(
        available_cpus(),
        threads=settings.threads,
        student=settings.student_threads,
        large=settings.large_threads,
    )
    return LocalInference(
        home,
        load=model_loader(
            large=settings.large,
            shares=parts,
            batch_tokens=settings.batch_tokens,
            remote_listener=UpstreamMetrics(metrics),
        ),
        limits=Limits(settings.queue_limit, settings.batch_tokens, settings.batch_wait_ms / 1000),
        shares=parts,
        listener=metrics,
        model_listener=metrics,
        board=board,
        niceness=settings.model_nice,
    )


def run_inference(home: Home, settings: Settings, socket_path: Path) -> None:
    """Load the models, then serve them on ``socket_path`` until SIGTERM. SIGHUP reloads what changed on disk."""
    configure_logging(settings.log_level)
    with stopped_by_signals():
        try:
            metrics = Metrics.of(settings, "inference")
            inference = load_models(home, settings, metrics, QueueBoard(board_path(socket_path)))
        except CascadeError as error:
            sys.exit(f"error[{error.code}]: {error.message}")
        server = inference_server(
            inference, socket_path, shutdown_timeout=settings.shutdown_timeout, tracer=metrics.tracer
        )

        async def main() -> None:
            async with reloading(inference, settings):
                await server.serve()

        try:
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(main())
        finally:
            metrics.close()
            end_if_busy(inference)


@asynccontextmanager
async def reloading(inference: LocalInference, settings: Settings) -> AsyncIterator[None]:
    """While the block runs, model files that change are taken up: within seconds of their change, or at SIGHUP."""
    tasks: set[asyncio.Task[Any]] = set()

    def start(work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_log_failure)

    loop = asyncio.get_running_loop()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread:
        loop.add_signal_handler(signal.SIGHUP, lambda: start(inference.reload()))
    if settings.model_poll_seconds:
        start(inference.watch(settings.model_poll_seconds))
    try:
        yield
    finally:
        if in_main_thread:
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes while this ends must not kill it
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("reloading models failed", exc_info=error)


def end_if_busy(inference: LocalInference) -> None:
    """End the process at once where a forward pass is still under way: it cannot be interrupted, and its client was let
    go when the time to finish was over."""
    if any(inference.depths.values()):
        _log.warning("a model is still at work; ending without it")
        logging.shutdown()
        os._exit(0)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT end the block with ``SystemExit(0)``: being told to stop is no failure.

    uvicorn takes both signals while it serves, and after its graceful stop raises the one it got once more, for this.
    """

    def stop(_number: int, _frame: object) -> None:
        raise SystemExit(0)

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
