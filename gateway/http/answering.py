"""One document answered for one caller: looked up, charged, extracted, counted and written as JSON."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect

from gateway.audit.auditor import Auditor
from gateway.engine import Engine, Request
from gateway.errors import CascadeError
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
    (``time.perf_counter()``), and how many seconds it may take."""

    key: Key | None
    came: float
    deadline: float


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

    async def answer(
        self, asked: ExtractRequest, caller: Caller, record: RequestRecord, facts: MutableMapping[str, Any]
    ) -> Answered:
        """Answer one document; ``record`` and ``facts`` learn what became of it.

        Raises:
            CascadeError: it cannot be answered.
        """
        task = find_task(self.engine.tasks, asked.task)
        record.task = task.spec.name
        check_text(asked.text, self.settings.max_text_characters)
        call = engine_request(task, asked, caller.deadline, time.perf_counter() - caller.came)
        facts.update(task=task.spec.name, characters=len(asked.text))
        if self.settings.log_documents:
            facts["text"] = asked.text[:_LOGGED_CHARACTERS]
        if self.cache is None:
            return await self._extract(task, asked, call, caller, record, facts, None)
        key = self.cache.key(asked, task.versions, caller.key.id if caller.key else "")
        kept = self.cache.get(key)
        self.metrics.cache_requests.labels(task.spec.name, "miss" if kept is None else "hit").inc()
        if kept is None:
            return await self._extract(task, asked, call, caller, record, facts, key)
        return self._again(kept, task, asked, caller, record, facts)

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
        estimate = 0.0
        if caller.key is not None and caller.key.daily_budget is not None:
            estimate = upper_estimate(task, call.tiers or task.spec.tiers, len(asked.text))
        with charged(self.accounts, caller.key, estimate) as bill:
            outcome = await self.engine.extract(task, call)
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
        record.status = "rejected" if error.status < 500 else "failed"
        facts["code"] = error.code
    elif isinstance(error, ClientDisconnect):
        record.status = "disconnected"
