"""The routes. They know HTTP; what they do is done elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gateway.errors import NotReady
from gateway.http.describe import readiness, task_description, task_summary
from gateway.http.extracting import find_task
from gateway.http.responses import UnicodeResponse
from gateway.http.schemas import REQUEST_EXAMPLES, ErrorAnswer, ExtractAnswer
from gateway.http.service import Service

#: What proxies log for a client that left; nobody receives it.
CLIENT_CLOSED_REQUEST = 499
_REQUEST_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/ExtractRequest"},
            "examples": {
                "everything": {"summary": "All fields, on the task's terms", "value": REQUEST_EXAMPLES[0]},
                "terms": {"summary": "Two fields, on terms of one's own", "value": REQUEST_EXAMPLES[1]},
            },
        }
    },
}
_ERROR: dict[str, Any] = {"model": ErrorAnswer}

router = APIRouter()


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.post(
    "/v1/extract",
    summary="Extract fields from one document",
    tags=["extraction"],
    openapi_extra={"requestBody": _REQUEST_BODY},
    responses={
        200: {
            "model": ExtractAnswer,
            "description": "The fields, each with its tier, place, confidence and guarantee.",
        },
        400: {**_ERROR, "description": "`invalid-json`"},
        404: {**_ERROR, "description": "`unknown-task`"},
        413: {**_ERROR, "description": "`body-too-large`, `text-too-long`"},
        422: {
            **_ERROR,
            "description": "`invalid-request`, `empty-text`, `unknown-field`, `unknown-tier`, `not-certified`",
        },
        500: {**_ERROR, "description": "`internal`"},
    },
)
async def extract(request: Request) -> Response:
    """Each field is answered by the cheapest tier that can be trusted with it; what none can is in review."""
    try:
        return UnicodeResponse(await _service(request).extract(request))
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED_REQUEST)


@router.get("/v1/tasks", summary="List the tasks", tags=["tasks"])
async def list_tasks(request: Request) -> Response:
    """Every task with its fields and default quality."""
    return UnicodeResponse({"tasks": [task_summary(task) for task in _service(request).engine.tasks.values()]})


@router.get(
    "/v1/tasks/{task}",
    summary="Describe a task",
    tags=["tasks"],
    responses={404: {**_ERROR, "description": "`unknown-task`"}},
)
async def describe_task(task: str, request: Request) -> Response:
    """Fields, tiers, certified quality targets by chain of tiers and field, prices, versions and problems."""
    return UnicodeResponse(task_description(find_task(_service(request).engine.tasks, task)))


@router.get("/healthz", summary="Is the process alive?", tags=["operation"])
async def health() -> Response:
    """Answers as long as the event loop runs."""
    return UnicodeResponse({"status": "ok"})


@router.get(
    "/readyz",
    summary="Can requests be served?",
    tags=["operation"],
    responses={503: {**_ERROR, "description": "`not-ready`; `detail` is the same report"}},
)
async def ready(request: Request) -> Response:
    """200 when rules and student of every task can answer; `degraded` names what is missing or stale."""
    answers, report = await readiness(_service(request).engine)
    if not answers:
        waiting = ", ".join(name for name, task in report["tasks"].items() if not task["ready"])
        raise NotReady(f"cannot serve {waiting}" if waiting else "the home has no tasks", detail=report)
    return UnicodeResponse(report)


@router.get("/metrics", summary="Prometheus metrics", tags=["operation"])
async def metrics(request: Request) -> Response:
    """All worker processes together."""
    # In multi-process mode this reads files.
    body, media_type = await asyncio.to_thread(_service(request).metrics.exposition)
    return Response(body, headers={"Content-Type": media_type})
