"""The inference process's main function, and how this process's models are loaded from the settings."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.errors import CascadeError
from gateway.home import Home
from gateway.inference.local import LocalInference, model_loader
from gateway.inference.server import inference_server
from gateway.settings import Settings
from gateway.telemetry.logs import configure_logging
from gateway.telemetry.metrics import Metrics


def load_models(home: Home, settings: Settings, metrics: Metrics) -> LocalInference:
    """Load every task's models as ``settings`` say.

    Raises:
        TaskFileError: a ``task.yaml`` is wrong.
    """
    return LocalInference(
        home,
        load=model_loader(threads=settings.threads, large=settings.large),
        queue_limit=settings.queue_limit,
        on_depth=metrics.set_queue_depth,
    )


def run_inference(home: Home, settings: Settings, socket_path: Path) -> None:
    """Load the models, then serve them on ``socket_path`` until SIGTERM."""
    configure_logging(settings.log_level)
    with stopped_by_signals():
        try:
            inference = load_models(home, settings, Metrics(CollectorRegistry()))
        except CascadeError as error:
            sys.exit(f"error[{error.code}]: {error.message}")
        inference_server(inference, socket_path, shutdown_timeout=settings.shutdown_timeout).run()


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
