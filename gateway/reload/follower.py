"""A worker's side of hot reload: follow the pointer, load beside the requests, put in force all at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from gateway.document import TierName
from gateway.engine import Engine
from gateway.errors import CascadeError, TierUnavailable, UnknownTask
from gateway.home import Home
from gateway.inference.base import Inference, TierStatus
from gateway.loaded import LoadedTask, link, read_task
from gateway.reload.checking import in_words_of
from gateway.reload.generations import Generation, Published
from gateway.reload.report import describe_reloads
from gateway.reload.store import InForce, Store
from gateway.telemetry.logs import facts

#: Seconds between two looks at the pointer: one small file.
INTERVAL_SECONDS = 0.05
#: Seconds between two questions after the state of the models, which also come when their epoch is heard to differ.
_MODELS_SECONDS = 1.0
_RETRY_SECONDS = 2.0
#: A policy and the models it was calibrated with are two changes on disk. The first waits this long for the second; a
#: replaced model answers for longer than that.
PAIRING_SECONDS = 10.0
NOT_LOADED = "its models are not loaded yet"
_log = logging.getLogger(__name__)

_Statuses = Mapping[TierName, TierStatus]


class Follower:
    """Keeps one engine at what is published in ``store``. For one event loop.

    Args:
        home: where the originals lie, for messages.
        store: the run directory.
        inference: who runs the models; their changes are followed too.
        interval: seconds between two looks.
    """

    def __init__(self, home: Home, store: Store, inference: Inference, *, interval: float = INTERVAL_SECONDS) -> None:
        self._home = home
        self._store = store
        self._inference = inference
        self._interval = interval
        self._pointer = b""
        self._published = Published()
        self._files: dict[str, LoadedTask] = {}  # as read, without models
        self._models: dict[str, _Statuses] = {}
        self._epoch: str | None = None
        self._models_asked = 0.0
        self._in_force: dict[str, InForce] = {}
        self._failures: dict[str, tuple[Generation, str, float]] = {}
        self._waiting: dict[str, float] = {}
        self._engine = Engine({}, inference, self)
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> Engine:
        """Load what is in force, and from now on follow it; :meth:`Engine.close` ends that.

        Raises:
            CascadeError: it cannot be loaded.
        """
        self._look()
        for name, generation in self._published.tasks.items():
            self._files[name] = await self._read(name, generation)
        await self._ask_for_models()
        self._put_in_force()
        self._running = asyncio.create_task(self._run())
        return self._engine

    async def close(self) -> None:
        """Stop following."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def problems(self, task: str) -> list[str]:
        """Why newer files of a task are not in force."""
        found = [
            str(problem) if problem.in_force else f"{problem}; the generation before stays in force"
            for problem in self._published.problems.get(task, ())
        ]
        if task in self._failures:
            found.append(self._failures[task][1])
        return found

    def added_while_running(self, task: str) -> bool:
        """Whether a task was not there when the service started."""
        generation = self._published.tasks.get(task)
        return generation is not None and generation.late

    def report(self) -> dict[str, Any]:
        """What ``/readyz`` says of reloading."""
        return describe_reloads(self._published, self._store.workers())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.step()
            except Exception:  # noqa: BLE001
                # What is in force stays; without this, one surprise would end following for good.
                _log.exception("following the published rules failed")
                await asyncio.sleep(_RETRY_SECONDS)

    async def step(self) -> None:
        """Take up what is new, if anything is."""
        changed = self._look()
        for name, generation in self._published.tasks.items():
            read = self._files.get(name)
            if read is not None and read.generation == generation.number:
                continue
            failure = self._failures.get(name)
            if failure is not None and failure[0] == generation and time.monotonic() < failure[2]:
                continue
            try:
                self._files[name] = await self._read(name, generation)
                changed = True
                self._failures.pop(name, None)
            except (OSError, CascadeError) as error:
                self._note_failure(name, generation, error)
        if self._inference.epoch != self._epoch or time.monotonic() >= self._models_asked + _MODELS_SECONDS:
            changed |= await self._ask_for_models()
        if changed or self._waiting:
            self._put_in_force()

    def _look(self) -> bool:
        pointer = self._store.pointer_bytes()
        if pointer == self._pointer:
            return False
        self._published = self._store.current()
        self._pointer = pointer
        return True

    async def _read(self, name: str, generation: Generation) -> LoadedTask:
        copy = self._store.home(generation.directory)
        before = self._files.get(name)
        strikes = before.rules.strikes if before is not None else None
        try:
            return await asyncio.to_thread(
                read_task, copy, name, generation=generation.number, strikes=strikes, original=self._home
            )
        except CascadeError as error:
            raise in_words_of(error, copy, self._home) from error

    def _note_failure(self, name: str, generation: Generation, error: Exception) -> None:
        if self._store.pointer_bytes() != self._pointer:
            return  # superseded while it was read
        what = error.message if isinstance(error, CascadeError) else f"{type(error).__name__}: {error}"
        told = name in self._failures and self._failures[name][0] == generation
        message = f"generation {generation.number} cannot be loaded: {what}"
        self._failures[name] = (generation, message, time.monotonic() + _RETRY_SECONDS)
        if not told:
            _log.error("a published generation cannot be loaded", extra=facts(task=name, problem=message))

    async def _ask_for_models(self) -> bool:
        """Ask after the models of every task; whether any changed."""
        self._models_asked = time.monotonic()
        found: dict[str, _Statuses] = {}
        for name, read in self._files.items():
            try:
                found[name] = await self._inference.status(name)
            except (TierUnavailable, UnknownTask):
                # Either nobody answers, and requests will say so, or the task is new and its models come later.
                missing: TierStatus = TierStatus(None, NOT_LOADED)
                found[name] = self._models.get(name) or {tier: missing for tier in read.spec.tiers if tier != "rules"}
        self._epoch = self._inference.epoch
        changed = found != self._models
        self._models = found
        return changed

    def _put_in_force(self) -> None:
        now = time.monotonic()
        before = self._engine.tasks
        tasks: dict[str, LoadedTask] = {}
        for name in self._published.tasks:
            if name in self._files:
                tasks[name] = self._paired(name, before.get(name), now)
        for name in set(self._files) - set(self._published.tasks):
            for known in (self._files, self._models, self._in_force, self._waiting, self._failures):
                known.pop(name, None)
        self._engine.replace(tasks)
        in_force = {
            name: self._in_force[name]
            if name in self._in_force and self._in_force[name].generation == task.generation
            else InForce(task.generation, now if before else 0.0)  # what it began with took it no time
            for name, task in tasks.items()
        }
        if in_force != self._in_force or not before:
            self._in_force = in_force
            self._store.report(in_force)

    def _paired(self, name: str, before: LoadedTask | None, now: float) -> LoadedTask:
        """The files and models of a task as they are, or those before while one half of a pair is missing."""
        files, models = self._files[name], self._models.get(name, {})
        newest = link(files, models)
        if before is None:
            return newest
        # Where files or models change alone, either may leave the policy without the models it was made for.
        for choice in (newest, link(files, before.models), link(before, models), before):
            if choice.stale_models <= before.stale_models:
                break
        if choice is newest:
            self._waiting.pop(name, None)
            return newest
        if now - self._waiting.setdefault(name, now) > PAIRING_SECONDS:
            return newest
        return choice
