"""Running the publisher beside a service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.home import Home
from gateway.inference.base import Inference
from gateway.reload.follower import Follower
from gateway.reload.generations import Published
from gateway.reload.publisher import Publisher
from gateway.reload.report import ReloadCollector
from gateway.reload.store import Store
from gateway.telemetry.metrics import Metrics


@contextmanager
def publishing(home: Home, directory: Path, *, watching: bool) -> Iterator[Store]:
    """Publish ``home`` in ``directory``, which is private to this service; with ``watching``, a thread publishes what
    is edited until the block ends.

    Raises:
        TaskFileError: a ``task.yaml`` is wrong. ConfigurationError: files cannot be read, or written to ``directory``.
    """
    store = Store(directory)
    publisher = Publisher(home, store)
    try:
        publisher.start(watching=watching)
    except OSError as error:
        raise ConfigurationError(f"the rules cannot be published: {error}") from error
    stop = threading.Event()
    thread = threading.Thread(target=publisher.run, args=(stop,), name="publisher", daemon=True)
    if watching:
        thread.start()
    try:
        yield store
    finally:
        stop.set()
        if watching:
            # The linter may be at work on a large edit; nobody needs its result any more.
            thread.join(1.0)


def follower(home: Home, store: Store, inference: Inference, metrics: Metrics) -> Follower:
    """A follower whose figures are part of the metrics."""
    metrics.collect_from(ReloadCollector(Published(), store))
    return Follower(home, store, inference)
