"""Many documents in one request: read as JSON or JSON Lines, answered a few at a time, streamed back as JSON Lines.

Every line of the answer has the document's ``index`` in the request. A document that cannot be answered has ``error``
in its line and spoils nothing else. The last line is the ``summary``: an answer without it was cut off. A client that
reads slowly slows the work down: a document is begun only when an earlier one has been sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import BatchTooLarge, CascadeError, InvalidRequest
from gateway.http.admission import Admission
from gateway.http.answering import Answered, Answering, Caller, note_failure
from gateway.http.body import parse_json, read_body
from gateway.http.disconnect import unless_disconnected
from gateway.http.extracting import parse_request
from gateway.http.openapi import JSON_LINES
from gateway.http.responses import encode_json
from gateway.settings import Settings
from gateway.telemetry.logs import facts as log_facts

_JSON_LINES_TYPES = frozenset({JSON_LINES, "application/ndjson", "application/jsonl", "application/x-jsonlines"})
_ID_LIMIT = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """The documents of a request: decoded, or as lines still to be decoded, and what they all have in common."""

    documents: list[Any] | list[bytes]
    defaults: Mapping[str, Any]
    ordered: bool

    def __len__(self) -> int:
        return len(self.documents)

    def document(self, index: int) -> Any:
        """The value of document ``index``, with the batch's defaults filled in.

        Raises:
            InvalidJson: its line is no JSON.
        """
        value = self.documents[index]
        if isinstance(value, bytes):
            value = parse_json(value, f"line {index + 1}")
        return {**self.defaults, **value} if isinstance(value, dict) else value


async def read_batch(request: Request, settings: Settings) -> Batch:
    """Read the body of a batch.

    Raises:
        BodyTooLarge, RequestTimeout, UnsupportedEncoding, ClientDisconnect: as :func:`gateway.http.body.read_body`.
        InvalidJson: the body as a whole is no JSON.
        InvalidRequest: it is no batch, or has wrong defaults.
        BatchTooLarge: it has too many documents.
    """
    body = await read_body(request.scope, request.receive, settings.max_batch_bytes, settings.body_timeout)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _JSON_LINES_TYPES:
        batch = _of_lines(body, parse_qsl(request.url.query, keep_blank_values=True))
    else:
        batch = _of_json(parse_json(body))
    limit = settings.max_batch_documents
    if len(batch) > limit:
        raise BatchTooLarge(f"the batch has {len(batch)} documents, more than {limit}", detail={"limit": limit})
    return batch


def _of_lines(body: bytes, query: list[tuple[str, str]]) -> Batch:
    options = dict(query)
    for name, value in query:
        if name not in ("task", "ordered") or (name == "ordered" and value not in ("true", "false")):
            raise _wrong(name[:100], "the query may hold task=NAME and ordered=true or false")
    lines = [line for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    if not lines:
        raise InvalidRequest("the batch has no documents")
    defaults = {"task": options["task"]} if "task" in options else {}
    return Batch(lines, defaults, options.get("ordered") == "true")


def _of_json(value: Any) -> Batch:
    if not isinstance(value, dict) or not isinstance(documents := value.get("documents"), list):
        raise _wrong("documents", "expected a JSON object with a list of documents")
    if not documents:
        raise _wrong("documents", "the batch has no documents")
    ordered = value.get("ordered", False)
    if not isinstance(ordered, bool):
        raise _wrong("ordered", "expected true or false")
    defaults = {name: part for name, part in value.items() if name not in ("documents", "ordered")}
    if wrong := [name for name in ("text", "id") if name in defaults]:
        raise _wrong(wrong[0], "belongs into each document")
    parse_request({"task": "", **defaults, "text": "x"})
    return Batch(documents, defaults, ordered)


def _wrong(key: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{key}: {problem}", detail={"problems": [{"key": key, "problem": problem}]})


async def in_turn(
    makers: Iterator[Callable[[], Awaitable[bytes]]], concurrency: int, *, ordered: bool
) -> AsyncGenerator[bytes, None]:
    """What ``makers`` make, ``concurrency`` of them at work; the next begins when a result has been taken.

    ``ordered``: results come in the makers' order; else as they are ready. What is at work when the iteration ends is
    cancelled.
    """
    working: list[asyncio.Task[bytes]] = []
    try:
        while True:
            while len(working) < concurrency and (make := next(makers, None)) is not None:
                working.append(asyncio.ensure_future(_awaited(make)))
            if not working:
                return
            if ordered:
                ready = working[0]
                await asyncio.wait((ready,))
            else:
                await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                ready = next(task for task in working if task.done())
            working.remove(ready)
            yield ready.result()
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _awaited(make: Callable[[], Awaitable[bytes]]) -> bytes:
    return await make()


class BatchResponse(Response):
    """The streamed answer to a batch."""

    media_type = JSON_LINES

    def __init__(
        self, batch: Batch, caller: Caller, answering: Answering, admission: Admission, concurrency: int
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._batch = batch
        self._caller = caller
        self._answering = answering
        self._admission = admission
        self._concurrency = concurrency
        self._statuses: Counter[str] = Counter()
        self._amount = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_disconnected(receive, self._stream(send))
        finally:
            summary = self._summary()
            scope["state"]["facts"].update(
                documents=summary["documents"], failed=summary["failed"], cost=summary["cost"]["amount"]
            )

    async def _stream(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        makers = (self._maker(index) for index in range(len(self._batch)))
        async with aclosing(in_turn(makers, self._concurrency, ordered=self._batch.ordered)) as lines:
            async for line in lines:
                await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})
        last = encode_json({"summary": self._summary()}) + b"\n"
        await send({"type": "http.response.body", "body": last, "more_body": False})

    def _maker(self, index: int) -> Callable[[], Awaitable[bytes]]:
        return lambda: self._line(index)

    async def _line(self, index: int) -> bytes:
        """One document's line. Whatever goes wrong with it is in the line."""
        found: dict[str, Any] = {}
        try:
            answered = await self._answer(index, found)
        except CascadeError as error:
            return self._failure(index, found, error)
        except Exception:  # noqa: BLE001 - one document's defect must not end the others' answer
            _log.exception("unexpected error", extra=log_facts(index=index))
            return self._failure(index, found, CascadeError("internal error; the log has more under the request's id"))
        self._statuses[answered.status] += 1
        self._amount += answered.amount
        return b'{"index":%d,%b' % (index, answered.body[1:])

    async def _answer(self, index: int, found: dict[str, Any]) -> Answered:
        if index:
            await self._keep_to_rate()  # the request itself has been counted, and stands for its first document
        facts: dict[str, Any] = {"index": index}
        with self._answering.metrics.request() as record:
            try:
                value = self._batch.document(index)
                identifier = value.get("id") if isinstance(value, dict) else None
                found["id"] = identifier[:_ID_LIMIT] if isinstance(identifier, str) else None
                caller = replace(self._caller, came=time.perf_counter(), refusable=False)
                answered = await self._answering.answer(parse_request(value), caller, record, facts)
            except BaseException as error:
                note_failure(error, record, facts)
                raise
        if "text" in facts:
            _log.info("document", extra=log_facts(**facts))
        return answered

    async def _keep_to_rate(self) -> None:
        while (wait := self._admission.wait_for(self._caller.key)) > 0:
            await asyncio.sleep(wait)

    def _failure(self, index: int, found: Mapping[str, Any], error: CascadeError) -> bytes:
        self._statuses[error.code] += 1
        return encode_json({"index": index, "id": found.get("id"), **error.as_json()})

    def _summary(self) -> dict[str, Any]:
        answered = {status: self._statuses[status] for status in ("complete", "review", "degraded")}
        return {
            "documents": len(self._batch),
            "answered": sum(answered.values()),
            "failed": sum(self._statuses.values()) - sum(answered.values()),
            **answered,
            "cost": {"amount": self._amount},
        }
