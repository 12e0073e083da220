"""Drives cascades: asks the tiers of a loaded task, times and costs the work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gateway.admission import admit, over
from gateway.cascade import Extraction, Run
from gateway.cost import Cost, cost_of, expected_amount
from gateway.document import Document, TierName, TierOutput
from gateway.errors import Overloaded, TierUnavailable
from gateway.extraction import Outcome
from gateway.home import Home
from gateway.inference.base import Inference, TierStatus
from gateway.inference.batching import BUSY, FULL
from gateway.loaded import LoadedTask, link, read_task
from gateway.outages import Outages
from gateway.telemetry.spans import traced

if TYPE_CHECKING:
    from gateway.cost.accounting import Accounting

__all__ = ["DEADLINE_PASSED", "Engine", "LoadedTask", "Request"]

#: Texts up to this length have their rules run on the event loop: a millisecond there is less than a thread costs.
INLINE_RULES_CHARACTERS = 4_000
#: Why a tier counts as unavailable when the request's deadline passed before it answered.
DEADLINE_PASSED = "the deadline passed before it answered"
#: No model is asked with less time left than this. An event loop keeps time to the millisecond: a wait until the
#: deadline may end a little before it.
_LEAST_SECONDS = 0.001
#: After which a full queue may have room, where nobody knows better.
_ASK_AGAIN_SECONDS = 1.0
#: Awaits what may take a while, or gives it up; see :meth:`Engine.extract`.
Waiting = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Request:
    """One document to extract from, and on what terms.

    ``None`` means the task's default. ``tiers`` are the tiers allowed; with ``alone`` the only one of them accepts
    whatever it finds. ``budget`` is the most money the request may cost; a tier that is expected to exceed it is left
    out from the start. ``deadline`` is in seconds from the start: a tier that cannot answer by then is left out, and
    one that has not is given up. With ``refusable`` the request is refused while the student's queue is full; otherwise
    it is answered without the student. ``most_before`` makes it give way: it is refused while a model it needs has more
    than so many requests before it. ``in_doubt`` are fields whose answers state no guarantee for the time being.
    """

    document: Document
    fields: tuple[str, ...] | None = None
    quality: float | None = None
    tiers: tuple[TierName, ...] | None = None
    alone: bool = False
    strict_quality: bool = False
    budget: float | None = None
    deadline: float | None = None
    refusable: bool = False
    most_before: int | None = None
    in_doubt: frozenset[str] = frozenset()


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
        self._accounting: Accounting | None = None
        self._outages = Outages()

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

    def account_with(self, accounting: Accounting) -> None:
        """From now on, count in a request's cost what is spent around the tiers too. For engines of a service, where
        the event loop does nothing but answer requests."""
        self._accounting = accounting
        # Models in this process may do their work on this very event loop.
        account_with = getattr(self._inference, "account_with", None)
        if account_with is not None:
            account_with(accounting.meter)

    async def extract(self, task: LoadedTask, request: Request, waiting: Waiting | None = None) -> Outcome:
        """Answer one request. Rules of short texts run at once, without a turn of the event loop.

        Args:
            task: the task, as it is to be in force for the whole request.
            request: what to answer, and on what terms.
            waiting: awaits everything else, and may give it up (when the client has left, say).

        Raises:
            NotCertified: ``strict_quality`` asked for what is not certified.
            UnknownField: for a field the task does not have.
            Overloaded: the request is ``refusable``, and the student's queue is full; or it gives way to others.
        """
        if self._accounting is None:
            return await self._extract(task, request, waiting)
        meter = self._accounting.meter
        meter.begin()
        try:
            return await self._extract(task, request, waiting)
        finally:
            meter.end()

    async def _extract(self, task: LoadedTask, request: Request, waiting: Waiting | None) -> Outcome:
        started = time.perf_counter()
        spec = task.spec
        if request.refusable and self._may_need_student(task, request):
            self._refuse_for(self._inference.full_for("student"))
        fields = spec.check_fields(request.fields)
        filtered = task.filter(request.document)
        doubted = self.doubted(spec.name)
        allowed = spec.tiers if request.tiers is None else request.tiers
        admission = admit(
            allowed,
            len(request.document.text),
            prices=spec.prices,
            estimates=task.policy.estimates if task.policy else {},
            out={**self._outages.known(spec.name), **task.unavailable},
            budget=request.budget,
            deadline=request.deadline,
        )
        run = Run(
            spec,
            task.policy,
            fields=fields,
            quality=request.quality,
            tiers=[tier for tier in allowed if tier not in admission.over_budget],
            alone=request.alone and len(allowed) == 1,
            not_trusted=task.not_trusted,
            unavailable=None if filtered else admission.unavailable,
            strict=request.strict_quality,
            doubted=doubted,
        )
        timing: dict[str, float] = {}
        not_asked = {} if filtered else dict(admission.over_budget)
        while filtered is None and (tier := run.next_tier()) is not None:
            if request.budget is not None and (why := self._over_budget(task, run.result(), tier, request)):
                run.skip(tier)
                not_asked[tier] = why
                continue
            asked = time.perf_counter()
            try:
                with traced("tier", tier):
                    if tier == "rules" and len(request.document.text) <= INLINE_RULES_CHARACTERS:
                        output = task.trusted.propose([request.document], run.open_fields())[0]
                        if self._accounting is not None:
                            self._accounting.meter.exclude(output.work.cpu_seconds)
                    else:
                        left = None if request.deadline is None else request.deadline - (asked - started)
                        asking = self._ask_within(left, task, tier, request, run.open_fields())
                        output = await (asking if waiting is None else waiting(asking))
            except TierUnavailable as error:
                if request.refusable and tier == "student" and error.detail == FULL:
                    self._refuse_for(error.retry_after or _ASK_AGAIN_SECONDS)
                if request.most_before is not None and error.detail in (BUSY, FULL):
                    raise Overloaded(error.message, retry_after=error.retry_after or _ASK_AGAIN_SECONDS) from error
                self._outages.failed(spec.name, tier, error)
                run.fail(tier, error.message)
            else:
                self._outages.answered(spec.name, tier)
                run.absorb(tier, output)
            timing[tier] = timing.get(tier, 0.0) + time.perf_counter() - asked
        extraction = run.result()
        cost = self._cost(task, extraction, request, self._accounting, filtered=filtered is not None)
        timing["total"] = time.perf_counter() - started
        return Outcome(
            spec.name,
            request.document.id,
            extraction,
            cost,
            timing,
            task.versions,
            filtered,
            not_asked,
            frozenset(fields) & (doubted | request.in_doubt),
        )

    @staticmethod
    def _may_need_student(task: LoadedTask, request: Request) -> bool:
        student = task.models.get("student")
        allowed = task.spec.tiers if request.tiers is None else request.tiers
        return student is not None and student.available and "student" in allowed

    @staticmethod
    def _refuse_for(seconds: float) -> None:
        """Refuse, unless there is nothing to wait for. Those before keep the machine busy: an answer without the
        student would take its time from them, and be worth less than one a moment later.

        Raises:
            Overloaded: ``seconds`` is above 0.
        """
        if seconds > 0:
            raise Overloaded("as many requests as may wait for the student; ask again shortly", retry_after=seconds)

    async def _ask_within(
        self, seconds: float | None, task: LoadedTask, tier: TierName, request: Request, fields: tuple[str, ...]
    ) -> TierOutput:
        if seconds is not None and seconds <= _LEAST_SECONDS and tier != "rules":
            raise TierUnavailable(DEADLINE_PASSED)
        if seconds is None:
            return await self._ask(None, task, tier, request, fields)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._ask(seconds, task, tier, request, fields)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TierUnavailable(DEADLINE_PASSED) from error

    async def _ask(
        self, seconds: float | None, task: LoadedTask, tier: TierName, request: Request, fields: tuple[str, ...]
    ) -> TierOutput:
        document = request.document
        if tier != "rules":
            version = task.models[tier].version if tier in task.models else None
            outputs = await self._inference.propose(
                task.spec.name,
                tier,
                [document],
                fields,
                deadline=seconds,
                version=version,
                most_before=request.most_before,
            )
            return outputs[0]
        output = (await asyncio.to_thread(task.trusted.propose, [document], fields))[0]
        if self._accounting is not None and self._accounting.whole_process:
            self._accounting.meter.exclude(output.work.cpu_seconds)
        return output

    @staticmethod
    def _cost(
        task: LoadedTask,
        extraction: Extraction,
        request: Request,
        accounting: Accounting | None = None,
        *,
        filtered: bool = False,
    ) -> Cost:
        estimates = task.policy.estimates if task.policy else {}
        cost = cost_of if accounting is None else accounting.cost
        return cost(extraction.work, len(request.document.text), task.spec.prices, estimates, filtered=filtered)

    def _over_budget(self, task: LoadedTask, so_far: Extraction, tier: TierName, request: Request) -> str | None:
        """Why asking ``tier``, after what was really spent, is expected to cost more than the request may; ``None``
        where it is not."""
        estimates = task.policy.estimates if task.policy else {}
        expected = expected_amount(tier, len(request.document.text), task.spec.prices, estimates)
        if expected is None or request.budget is None:
            return None
        spent = self._cost(task, so_far, request).amount
        if spent + expected <= request.budget:
            return None
        return over(expected, spent, request.budget)

    async def model_status(self, name: str) -> Mapping[TierName, TierStatus]:
        """The state of a task's model tiers now, which may differ from the one it was loaded with.

        Raises:
            TierUnavailable: nobody can tell: the inference process does not answer.
        """
        return await self._inference.status(name)

    async def close(self) -> None:
        """Stop following edits, and let go of the models."""
        if self._following is not None:
            await self._following.close()
        await self._inference.close()
