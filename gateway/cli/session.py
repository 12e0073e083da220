"""An engine for a command that answers documents in its own process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.engine import Engine, LoadedTask, Request
from gateway.extraction import Outcome
from gateway.home import Home
from gateway.inference.local import LocalInference, model_loader
from gateway.settings import Settings


@dataclass(frozen=True)
class Session:
    """One task, loaded. The event loop runs only while something is awaited, so that Ctrl-C ends a command at once."""

    runner: asyncio.Runner
    engine: Engine
    task: LoadedTask

    def extract(self, request: Request) -> Outcome:
        """Answer one request."""
        return self.runner.run(self.engine.extract(self.task, request))


@contextmanager
def open_session(home: Home, task: str) -> Iterator[Session]:
    """Load one task with its models and let go of them afterwards; ``CASCADE_THREADS`` and ``CASCADE_LARGE`` count.

    Raises:
        ConfigurationError: a setting in the environment is wrong.
        UnknownTask, TaskFileError, RuleFileError: as :meth:`gateway.engine.Engine.open`.
    """
    # What is wrong with a tier stands in the result; log lines would only repeat it.
    logging.getLogger("gateway").addHandler(logging.NullHandler())
    home.task(task)  # a wrong name is an error before any model is loaded
    settings = Settings.read()
    load = model_loader(threads=settings.threads, large=settings.large)
    inference = LocalInference(home, tasks=[task], load=load)
    with asyncio.Runner() as runner:
        try:
            engine = runner.run(Engine.open(home, inference, [task]))
            yield Session(runner, engine, engine.tasks[task])
        finally:
            runner.run(inference.close())
