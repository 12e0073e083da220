"""What the routes need: the engine, the settings and the metrics of this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request

from gateway.engine import Engine
from gateway.errors import CascadeError
from gateway.http.body import parse_json, read_body
from gateway.http.disconnect import unless_disconnected
from gateway.http.extracting import check_text, engine_request, find_task, parse_request
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics, RequestRecord


@dataclass(frozen=True)
class Service:
    """One process's service; ``app.state.service`` holds it."""

    engine: Engine
    settings: Settings
    metrics: Metrics

    async def extract(self, request: Request) -> dict[str, Any]:
        """Answer one extraction request, measured.

        Raises:
            CascadeError: the request cannot be answered. ClientDisconnect: nobody waits for the answer any more.
        """
        with self.metrics.request() as record:
            try:
                return await self._extract(request, record)
            except CascadeError as error:
                record.status = "rejected" if error.status < 500 else "failed"
                request.state.facts["code"] = error.code
                raise
            except ClientDisconnect:
                record.status = "disconnected"
                raise

    async def _extract(self, request: Request, record: RequestRecord) -> dict[str, Any]:
        started = time.perf_counter()
        asked = parse_request(parse_json(await read_body(request, self.settings.max_body_bytes)))
        task = find_task(self.engine.tasks, asked.task)
        record.task = task.spec.name
        check_text(asked.text, self.settings.max_text_characters)
        call = engine_request(task, asked, time.perf_counter() - started)
        outcome = await unless_disconnected(request, self.engine.extract(task, call))
        record.answer(outcome)
        self.metrics.count_rule_timeouts(task.spec.name, task.rules.timeouts)
        request.state.facts.update(
            task=task.spec.name,
            outcome=outcome.extraction.status,
            tiers=list(outcome.extraction.tiers),
            characters=len(asked.text),
        )
        return outcome.as_json(explain=asked.explain)
