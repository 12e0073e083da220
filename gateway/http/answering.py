"""One document answered for one caller: looked up, charged, extracted, counted and written as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import ClientDisconnect

from gateway.audit.auditor import Auditor
from gateway.engine import Engine, Request, Waiting
from gateway.errors import CascadeError, Overloaded
from gateway.http.budget import charged, upper_estimate
from gateway.http.cache import AnswerCache, Kept
from gateway.http.extracting import check_text, engine_request, find_task
from gateway.http.keys import Key
from gateway.http.responses import encode_json
from gateway.http.schemas import ExtractRequest
from gateway.loaded import LoadedTask
from gateway.settings import Settings
from gateway.shared.accounts import Accounts
from gateway.telemetry.metrics import Metrics, RequestRecord

_LOGGED_CHARACTERS = 20_000


@dataclass(frozen=True)
class Caller:
    """Who asks, and on what terms: the key (``None`` where none is needed), when the request came
    (``time.perf_counter()``), how many seconds it may take, and the tasks as they were then.

    ``waiting`` awaits what may take a while, and gives it up when the client leaves. ``refusable``: see
    :class:`gateway.engine.Request`.
    """

    key: Key | None
    came: float
    deadline: float
    tasks: Mapping[str, LoadedTask]
    waiting: Waiting | None = None
    refusable: bool = True


@dataclass(frozen=True)
class Answered:
    """A document's answer as JSON, and what it did cost."""

    body: bytes
    status: str
    amount: float
    cached: bool = False


@dataclass(frozen=True)
class Answering:
    """What answering a document takes."""

    engine: Engine
    settings: Settings
    metrics: Metrics
    accounts: Accounts
    cache: AnswerCache | None
    auditor: Auditor | None = None
    #: Requests that are being answered for the first time, by their keys in the cache.
    _first: dict[bytes, asyncio.Future[None]] = field(default_factory=dict)

    async def answer(
        self, asked: ExtractRequest, caller: Caller, record: RequestRecord, facts: MutableMapping[str, Any]
    ) -> Answered:
        """Answer one document; ``record`` and ``facts`` learn what became of it.

        Raises:
            CascadeError: it cannot be answered.
        """
        task = find_task(caller.tasks, asked.task)
        record.task = task.spec.name
        check_text(asked.text, self.settings.max_text_characters)
        elapsed = time.perf_counter() - caller.came
        call = engine_request(task, asked, caller.deadline, elapsed, refusable=caller.refusable)
        if self.auditor is not None:
            call = replace(call, in_doubt=self.auditor.doubted(task.spec.name))
        facts.update(task=task.spec.name, characters=len(asked.text))
        if self.settings.log_documents:
            facts["text"] = asked.text[:_LOGGED_CHARACTERS]
        if self.cache is None:
            return await self._extract(task, asked, call, caller, record, facts, None)
        # An answer from before a promise came into doubt states what is not promised any more.
        versions = {**task.versions, "doubted": sorted(call.in_doubt)} if call.in_doubt else task.versions
        key = self.cache.key(asked, versions, caller.key.id if caller.key else "")
        kept, first = self.cache.get(key), self._first.get(key)
        if kept is None and first is not None:
            # The same is being answered at this moment: once is enough.
            began = time.perf_counter()
            await self._end_of(first, caller, call.deadline)
            kept = self.cache.get(key)
            if call.deadline is not None:
                call = replace(call, deadline=call.deadline - (time.perf_counter() - began))
        self.metrics.cache_requests.labels(task.spec.name, "miss" if kept is None else "hit").inc()
        if kept is not None:
            return self._again(kept, task, asked, caller, record, facts)
        if first is not None:  # it came to nothing that can be kept; nobody waits for that twice
            return await self._extract(task, asked, call, caller, record, facts, key)
        self._first[key] = asyncio.get_running_loop().create_future()
        try:
            return await self._extract(task, asked, call, caller, record, facts, key)
        finally:
            self._first.pop(key).set_result(None)

    @staticmethod
    async def _end_of(first: asyncio.Future[None], caller: Caller, seconds: float | None) -> None:
        """Wait until ``first`` has ended, at most so long."""
        waited = asyncio.wait((first,), timeout=None if seconds is None else max(0.0, seconds))
        await (waited if caller.waiting is None else caller.waiting(waited))

    async def _extract(
        self,
        task: LoadedTask,
        asked: ExtractRequest,
        call: Request,
        caller: Caller,
        record: RequestRecord,
        facts: MutableMapping[str, Any],
        cache_key: bytes | None,
    ) -> Answered:
        if caller.key is None or caller.key.daily_budget is None:
            outcome = await self.engine.extract(task, call, caller.waiting)
        else:
            estimate = upper_estimate(task, call.tiers or task.spec.tiers, len(asked.text))
            with charged(self.accounts, caller.key, estimate) as bill:
                outcome = await self.engine.extract(task, call, caller.waiting)
                bill.amount = outcome.cost.amount
        record.answer(outcome)
        if self.auditor is not None:
            self.auditor.consider(task, call.document, outcome)
        self.metrics.count_rule_timeouts(task.spec.name, task.trusted.timeouts, task.generation)
        self.metrics.count_set_aside(task.spec.name, len(task.trusted.set_aside))
        extraction = outcome.extraction
        facts.update(outcome=extraction.status, tiers=list(extraction.tiers), cost=outcome.cost.amount)
        answer = outcome.as_json(explain=asked.explain)
        if self.cache is not None and cache_key is not None:
            self.cache.put(cache_key, outcome, answer)
            self.metrics.cache_bytes.set(self.cache.size)
        return Answered(encode_json(answer), extraction.status, outcome.cost.amount)

    def _again(
        self,
        kept: Kept,
        task: LoadedTask,
        asked: ExtractRequest,
        caller: Caller,
        record: RequestRecord,
        facts: MutableMapping[str, Any],
    ) -> Answered:
        record.status = kept.status
        if kept.always_large is not None:
            # What is not spent because of the cache is saved like what is not spent because of the cascade.
            self.metrics.cost_always_large.labels(task.spec.name, kept.currency).inc(kept.always_large)
        facts.update(outcome=kept.status, cached=True)
        return Answered(kept.answer(asked.id, time.perf_counter() - caller.came), kept.status, 0.0, cached=True)


def note_failure(error: BaseException, record: RequestRecord, facts: MutableMapping[str, Any]) -> None:
    """Count and log why a request got no answer."""
    if isinstance(error, CascadeError):
        record.status = "rejected" if error.status < 500 or isinstance(error, Overloaded) else "failed"
        facts["code"] = error.code
    elif isinstance(error, ClientDisconnect):
        record.status = "disconnected"
