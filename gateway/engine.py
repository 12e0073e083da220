"""Drives cascades: asks the tiers of a loaded task, times and costs the work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.cascade import Extraction, Run
from gateway.cost import Cost, cost_of, expected_amount
from gateway.document import Document, TierName, TierOutput
from gateway.errors import TierUnavailable
from gateway.extraction import Outcome
from gateway.home import Home
from gateway.inference.base import Inference, TierStatus
from gateway.loaded import LoadedTask, link, read_task

__all__ = ["DEADLINE_PASSED", "Engine", "LoadedTask", "Request"]

#: Texts up to this length have their rules run on the event loop: a millisecond there is less than a thread costs.
INLINE_RULES_CHARACTERS = 4_000
#: Why a tier counts as unavailable when the request's deadline passed before it answered.
DEADLINE_PASSED = "the deadline passed before it answered"


@dataclass(frozen=True)
class Request:
    """One document to extract from, and on what terms.

    ``None`` means the task's default. ``tiers`` are the tiers allowed; with ``alone`` the only one of them accepts
    whatever it finds. ``budget`` is the most money the request may cost; a tier that is expected to exceed it is not
    asked. ``deadline`` is in seconds from the start: a tier that has not answered by then is given up, as if it were
    unavailable.
    """

    document: Document
    fields: tuple[str, ...] | None = None
    quality: float | None = None
    tiers: tuple[TierName, ...] | None = None
    alone: bool = False
    strict_quality: bool = False
    budget: float | None = None
    deadline: float | None = None


class Following(Protocol):
    """Puts edited tasks in force in an engine (:class:`gateway.reload.follower.Follower`)."""

    def problems(self, task: str) -> list[str]:
        """Why newer files of a task are not in force."""
        ...

    def added_while_running(self, task: str) -> bool:
        """Whether a task was not there when the service started."""
        ...

    def report(self) -> dict[str, Any]:
        """What ``/readyz`` says of reloading."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class Engine:
    """All tasks of one home. Make it with :meth:`open`, or fill it with :meth:`replace`."""

    def __init__(
        self, tasks: Mapping[str, LoadedTask], inference: Inference, following: Following | None = None
    ) -> None:
        self._tasks: Mapping[str, LoadedTask] = dict(tasks)
        self._inference = inference
        self._following = following
        #: Task to its fields whose promised quality is in doubt and which shall be answered more strictly; set by
        #: whoever watches that (:mod:`gateway.audit`).
        self.doubted: Callable[[str], frozenset[str]] = lambda _task: frozenset()

    @classmethod
    async def open(cls, home: Home, inference: Inference, names: list[str] | None = None) -> Engine:
        """Load rules and policies of every task (or of ``names``) and ask what models there are.

        Raises:
            TaskFileError, RuleFileError: a file cannot be used. A missing policy or model is no error: it is a
                problem of the task, shown in ``/readyz``.
        """
        tasks: dict[str, LoadedTask] = {}
        for name in names if names is not None else home.tasks():
            tasks[name] = link(read_task(home, name), await inference.status(name))
        return cls(tasks, inference)

    @property
    def tasks(self) -> Mapping[str, LoadedTask]:
        """The tasks in force now. A request takes its task once and keeps to it."""
        return self._tasks

    @property
    def following(self) -> Following | None:
        """Who puts edited tasks in force; ``None`` where they stay as they were read."""
        return self._following

    def replace(self, tasks: Mapping[str, LoadedTask]) -> None:
        """Put other tasks in force, all at once; requests under way end with those they began with."""
        self._tasks = dict(tasks)

    async def extract(self, task: LoadedTask, request: Request) -> Outcome:
        """Answer one request.

        Raises:
            NotCertified: ``strict_quality`` asked for what is not certified.
            UnknownField: for a field the task does not have.
        """
        started = time.perf_counter()
        spec = task.spec
        fields = spec.check_fields(request.fields)
        filtered = task.filter(request.document)
        run = Run(
            spec,
            task.policy,
            fields=fields,
            quality=request.quality,
            tiers=spec.tiers if request.tiers is None else request.tiers,
            alone=request.alone,
            not_trusted=task.not_trusted,
            unavailable=None if filtered else task.unavailable,
            strict=request.strict_quality,
            doubted=self.doubted(spec.name),
        )
        timing: dict[str, float] = {}
        while filtered is None and (tier := run.next_tier()) is not None:
            if request.budget is not None and self._over_budget(task, run.result(), tier, request):
                run.skip(tier)
                continue
            asked = time.perf_counter()
            left = None if request.deadline is None else request.deadline - (asked - started)
            try:
                output = await self._ask_within(left, task, tier, request.document, run.open_fields())
            except TierUnavailable as error:
                run.fail(tier, error.message)
            else:
                run.absorb(tier, output)
            timing[tier] = timing.get(tier, 0.0) + time.perf_counter() - asked
        extraction = run.result()
        cost = self._cost(task, extraction, request)
        timing["total"] = time.perf_counter() - started
        return Outcome(spec.name, request.document.id, extraction, cost, timing, task.versions, filtered)

    async def _ask_within(
        self, seconds: float | None, task: LoadedTask, tier: TierName, document: Document, fields: tuple[str, ...]
    ) -> TierOutput:
        if seconds is not None and seconds <= 0 and tier != "rules":
            raise TierUnavailable(DEADLINE_PASSED)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._ask(seconds, task, tier, document, fields)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TierUnavailable(DEADLINE_PASSED) from error

    async def _ask(
        self, seconds: float | None, task: LoadedTask, tier: TierName, document: Document, fields: tuple[str, ...]
    ) -> TierOutput:
        if tier != "rules":
            version = task.models[tier].version if tier in task.models else None
            outputs = await self._inference.propose(
                task.spec.name, tier, [document], fields, deadline=seconds, version=version
            )
            return outputs[0]
        if len(document.text) <= INLINE_RULES_CHARACTERS:
            return task.trusted.propose([document], fields)[0]
        return (await asyncio.to_thread(task.trusted.propose, [document], fields))[0]

    @staticmethod
    def _cost(task: LoadedTask, extraction: Extraction, request: Request) -> Cost:
        estimates = task.policy.estimates if task.policy else {}
        return cost_of(extraction.work, len(request.document.text), task.spec.prices, estimates)

    def _over_budget(self, task: LoadedTask, so_far: Extraction, tier: TierName, request: Request) -> bool:
        estimates = task.policy.estimates if task.policy else {}
        expected = expected_amount(tier, len(request.document.text), task.spec.prices, estimates)
        if expected is None or request.budget is None:
            return False
        return self._cost(task, so_far, request).amount + expected > request.budget

    async def model_status(self, name: str) -> Mapping[TierName, TierStatus]:
        """The state of a task's model tiers now, which may differ from the one it was loaded with.

        Raises:
            TierUnavailable: nobody can tell: the inference process does not answer.
        """
        return await self._inference.status(name)

    def waiting(self, tier: TierName) -> int:
        """Requests a model tier has before it; 0 where another process knows."""
        depths: Mapping[TierName, int] = getattr(self._inference, "depths", {})
        return depths.get(tier, 0)

    async def close(self) -> None:
        """Stop following edits, and let go of the models."""
        if self._following is not None:
            await self._following.close()
        await self._inference.close()
