"""Audits in the background: draws accepted answers, puts them to the large tier or to a person, and keeps what is said.

A request pays for a random number a field and, where one of its answers is drawn, for a place in a queue. All else is
done by one task of the event loop, which waits while the large tier is busy, and threads for the database.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping

from gateway.audit.budget import AuditBudget
from gateway.audit.doubts import Doubts, log_doubt, log_shift
from gateway.audit.drawing import Drawn, draw
from gateway.audit.large import ask_large
from gateway.audit.ledger import Standing
from gateway.audit.listening import AuditListener
from gateway.audit.references import References
from gateway.audit.shift import take
from gateway.audit.signals import comparable, signals_of
from gateway.audit.store import AuditStore, Correction, Kept, Purpose
from gateway.audit.terms import Terms
from gateway.cascade import Extraction
from gateway.document import Document
from gateway.engine import Engine
from gateway.errors import AuditStoreError, CascadeError
from gateway.evaluation.metrics import is_right
from gateway.extraction import Outcome
from gateway.loaded import LoadedTask
from gateway.telemetry.logs import REQUEST_ID, facts

#: Characters of text that may wait in the queue, whatever their number of documents.
QUEUED_CHARACTERS = 20_000_000
#: Seconds between two looks at the store for what other workers found, and at what is too old.
REFRESH_SECONDS, PURGE_SECONDS = 15.0, 3600.0
#: Documents whose signals are taken into the test at once, and seconds until fewer are.
SHIFT_BATCH, SHIFT_SECONDS = 50, 5.0
_log = logging.getLogger("gateway.audit")


class Auditor:
    """One process's audits; :meth:`start` and :meth:`close` belong to its event loop.

    Args:
        engine: answers as the large tier, and knows the tasks.
        store, budget: shared with the other processes.
        references: what calibration documents look like.
        terms: how much is audited, by whom, and when there is doubt.
        listener: told what becomes of audits.
        chance: random numbers in [0, 1).
    """

    def __init__(
        self,
        engine: Engine,
        store: AuditStore,
        budget: AuditBudget,
        references: References,
        terms: Terms,
        listener: AuditListener,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.store = store
        self.doubts = Doubts()
        self._engine = engine
        self._budget = budget
        self._references = references
        self._terms = terms
        self._listener = listener
        self._chance = chance
        self._waiting: deque[Drawn] = deque()
        self._seen: deque[tuple[LoadedTask, str, Extraction]] = deque(maxlen=terms.queue)
        self._characters = 0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def consider(self, task: LoadedTask, document: Document, outcome: Outcome) -> None:
        """Draw answers of a request that was just answered. Never waits, never raises, and costs microseconds."""
        if outcome.filtered is not None:
            return
        extraction = outcome.extraction
        if self._terms.calibration_share > 0 and self._chance() < self._terms.calibration_share:
            # A person judges all of it: what would be audited too. It is drawn whatever the answers are, so that the
            # audits that are left stay a fair sample.
            self._offer(task, document, extraction, tuple(extraction.fields), "calibration")
        else:
            share = self._terms.share_of(task.spec.name)
            if share > 0 and (drawn := draw(extraction, share, self._chance)):
                self._offer(task, document, extraction, drawn, "audit")
        if (
            self._terms.shift_share > 0
            and comparable(task.spec, extraction)
            and self._chance() < self._terms.shift_share
        ):
            self._seen.append((task, document.text, extraction))

    def _offer(
        self, task: LoadedTask, document: Document, extraction: Extraction, names: tuple[str, ...], purpose: Purpose
    ) -> None:
        length = len(document.text)
        results = {name: extraction.fields[name] for name in names}
        evidence = {name: extraction.evidence[name] for name in names if name in extraction.evidence}
        drawn = Drawn(task, REQUEST_ID.get() or uuid.uuid4().hex, document, results, evidence, purpose)
        if len(self._waiting) >= self._terms.queue or self._characters + length > QUEUED_CHARACTERS:
            self._listener.audit_dropped(task.spec.name, "queue-full", drawn.count)
            return
        self._waiting.append(drawn)
        self._characters += length
        self._wake.set()

    def doubted(self, task: str) -> frozenset[str]:
        """The fields whose promise is in doubt; nothing is read for it."""
        loaded = self._engine.tasks.get(task)
        return frozenset() if loaded is None else self.doubts.fields(loaded)

    def escalated(self, task: str) -> frozenset[str]:
        """The fields that shall be answered more strictly now: those in doubt, under ``CASCADE_ON_DOUBT=escalate``."""
        return self.doubted(task) if self._terms.escalate else frozenset()

    def warnings(self, task: str) -> list[str]:
        """What ``/readyz`` says of a task's promises."""
        loaded = self._engine.tasks.get(task)
        return [] if loaded is None else self.doubts.warnings(loaded)

    async def correct(self, task: LoadedTask, correction: Correction) -> Kept:
        """Keep a correction that a person sent.

        Raises:
            AuditStoreError: it cannot be kept.
            AmbiguousFeedback: it does not say about which of several documents.
        """
        spec = task.spec

        def same(expected: object, answered: object) -> bool:
            return is_right(spec, correction.field, tuple(expected), tuple(answered))  # type: ignore[arg-type]

        alarm = self._terms.promise_alarm(len(spec.fields))
        kept = await asyncio.to_thread(self.store.correct, correction, same, alarm)
        verdict = "unknown" if kept.agree is None else ("right" if kept.agree else "wrong")
        if kept.result == "new":
            self._listener.feedback(spec.name, correction.field, verdict)
        await self._doubting(kept.doubting)
        return kept

    async def start(self) -> None:
        """Begin to work; what earlier processes found counts from the start."""
        await self._refresh()
        self._tasks = [
            asyncio.create_task(work(), name=f"audit-{work.__name__.strip('_')}")
            for work in (self._audit, self._watch, self._look)
        ]

    async def close(self) -> None:
        """Stop; what waits is dropped and counted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for drawn in self._waiting:
            self._listener.audit_dropped(drawn.task.spec.name, "stopped", drawn.count)
        self._waiting.clear()
        self.store.database.close()

    async def _audit(self) -> None:
        while True:
            await self._wake.wait()
            while self._waiting:
                drawn = self._waiting.popleft()
                self._characters -= len(drawn.document.text)
                name, count = drawn.task.spec.name, drawn.count
                try:
                    await self._process(drawn)
                except CascadeError as error:
                    self._listener.audit_dropped(name, "failed", count)
                    _log.warning("audit failed", extra=facts(code=error.code, task=name, problem=error.message))
                except Exception:  # noqa: BLE001  audits must go on whatever one document does
                    self._listener.audit_dropped(name, "failed", count)
                    _log.exception("audit failed", extra=facts(task=name))
            self._wake.clear()

    async def _process(self, drawn: Drawn) -> None:
        reference = await asyncio.to_thread(self._references.find, drawn.task.spec.name)
        limit_alpha = self._terms.limit_alpha(len(drawn.task.spec.fields))
        answers = drawn.answers(self._terms.by, reference, limit_alpha)
        for_person = [answer for answer in answers if answer.judge == "person"]
        for_large = [answer for answer in answers if answer.judge == "large"]
        if for_person:
            await asyncio.to_thread(self.store.ask, for_person, drawn.document)
        if not for_large:
            return
        fields = [answer.field for answer in for_large]
        said = await ask_large(self._engine, self._budget, drawn, fields, self._terms.large_depth)
        name, currency = drawn.task.spec.name, drawn.task.spec.prices.currency
        if said.cost:
            self._listener.audit_cost(name, currency, said.cost)
        if said.dropped is not None:
            self._listener.audit_dropped(name, said.dropped, len(for_large))
            return
        values = [said.values[answer.field] for answer in for_large]
        agree = [
            is_right(drawn.task.spec, answer.field, value, answer.value)
            for answer, value in zip(for_large, values, strict=True)
        ]
        alarm = self._terms.promise_alarm(len(drawn.task.spec.fields))
        doubting = await asyncio.to_thread(self.store.judged, for_large, values, agree, drawn.document, alarm)
        for answer, agrees in zip(for_large, agree, strict=True):
            self._listener.audited(name, answer.field, answer.tier, agrees, answer.allowed)
        await self._doubting(doubting)

    async def _doubting(self, standings: list[Standing] | tuple[Standing, ...]) -> None:
        for standing in standings:
            log_doubt(standing)
        if standings:
            await self._refresh()

    async def _look(self) -> None:
        """Take the signals of documents seen into the test of the traffic."""
        while True:
            await asyncio.sleep(SHIFT_SECONDS)
            while self._seen:
                count = min(SHIFT_BATCH, len(self._seen))
                batch = [self._seen.popleft() for _ in range(count)]
                try:
                    await asyncio.to_thread(self._take, batch)
                except CascadeError as error:
                    _log.warning("traffic not tested", extra=facts(code=error.code, problem=error.message))

    def _take(self, batch: list[tuple[LoadedTask, str, Extraction]]) -> None:
        tasks: Mapping[str, LoadedTask] = {task.spec.name: task for task, _, _ in batch}
        for name, task in tasks.items():
            reference = self._references.find(name)
            if reference is None or task.promise is None or reference.promise != task.promise:
                continue  # nothing to compare with; other rules find something else
            signals = [
                signals_of(text, extraction, reference.vocabulary)
                for other, text, extraction in batch
                if other.spec.name == name and other.promise == task.promise
            ]
            noticed = take(self.store.database, reference, task.promise, signals, self._terms.alarm, time.time())
            if noticed is not None:
                log_shift(noticed)

    async def _watch(self) -> None:
        """Learn what other processes found, and remove what is too old."""
        purged = 0.0
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._refresh()
            if self.store.database.exists and time.monotonic() - purged > PURGE_SECONDS:
                purged = time.monotonic()
                try:
                    await asyncio.to_thread(self.store.purge)
                except AuditStoreError as error:
                    _log.warning("old audits not removed", extra=facts(code=error.code, problem=error.message))

    async def _refresh(self) -> None:
        if self.store.database.exists:
            try:
                await asyncio.to_thread(self.doubts.refresh, self.store)
            except AuditStoreError as error:
                _log.warning("audits not read", extra=facts(code=error.code, problem=error.message))
        for task in self._engine.tasks.values():
            self.doubts.tell(task, self._listener)
