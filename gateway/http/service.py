"""What the routes need: the engine, the settings, the metrics and the limits of this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope

from gateway.engine import Engine, Waiting
from gateway.http.access import Access
from gateway.http.admission import Admission
from gateway.http.answering import Answering, Caller, note_failure
from gateway.http.batch import BatchResponse, read_batch
from gateway.http.body import parse_json, read_body
from gateway.http.deadline import deadline_seconds
from gateway.http.detail import detail_headers, wants_detail
from gateway.http.disconnect import unless_disconnected
from gateway.http.extracting import parse_request
from gateway.http.keys import Key
from gateway.http.responses import EncodedResponse
from gateway.http.scope import CAME
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Service:
    """One process's service; ``app.state.service`` holds it."""

    engine: Engine
    settings: Settings
    metrics: Metrics
    access: Access
    admission: Admission
    answering: Answering

    async def extract(self, scope: Scope, receive: Receive, key: Key | None) -> ASGIApp:
        """Answer one extraction request, measured.

        Raises:
            CascadeError: the request cannot be answered. ClientDisconnect: nobody waits for the answer any more.
        """
        facts = scope["state"]["facts"]
        with self.metrics.request() as record:
            try:
                caller = self._caller(scope, key, partial(unless_disconnected, receive))
                body = await read_body(scope, receive, self.settings.max_body_bytes, self.settings.body_timeout)
                asked = parse_request(parse_json(body))
                answered = await self.answering.answer(asked, caller, record, facts)
            except BaseException as error:
                note_failure(error, record, facts)
                raise
        if not wants_detail(self.settings, scope["headers"]):
            return EncodedResponse(answered.body)
        return EncodedResponse(answered.body, detail_headers(record.outcome, time.perf_counter() - caller.came))

    async def extract_batch(self, scope: Scope, receive: Receive, key: Key | None) -> ASGIApp:
        """Answer many documents in one request; each is measured as a request.

        Raises:
            CascadeError: no document can be answered. ClientDisconnect: nobody waits for the answer any more.
        """
        caller = self._caller(scope, key, None)
        batch = await read_batch(Request(scope, receive), self.settings)
        return BatchResponse(batch, caller, self.answering, self.admission, self.settings.batch_concurrency)

    def _caller(self, scope: Scope, key: Key | None, waiting: Waiting | None) -> Caller:
        deadline = deadline_seconds(scope["headers"], self.settings.deadline_ms)
        return Caller(key, scope["state"][CAME], deadline, self.engine.tasks, waiting)
