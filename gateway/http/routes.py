"""The routes. They know HTTP; what they do is done elsewhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.errors import NotFound, NotReady
from gateway.http.describe import readiness, task_description, task_summary
from gateway.http.extracting import find_task
from gateway.http.openapi import BATCH_ANSWER, BATCH_BODY, BATCH_PARAMETERS, ERROR, REFUSALS, REQUEST_BODY
from gateway.http.responses import UnicodeResponse
from gateway.http.schemas import ExtractAnswer
from gateway.http.service import Service

router = APIRouter()


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.post(
    "/v1/extract",
    summary="Extract fields from one document",
    tags=["extraction"],
    openapi_extra={"requestBody": REQUEST_BODY},
    responses={
        200: {
            "model": ExtractAnswer,
            "description": "The fields, each with its tier, place, confidence and guarantee.",
        },
        400: {**ERROR, "description": "`invalid-json`, `malformed-http`"},
        404: {**ERROR, "description": "`unknown-task`"},
        413: {**ERROR, "description": "`body-too-large`, `text-too-long`"},
        422: {
            **ERROR,
            "description": "`invalid-request`, `empty-text`, `unknown-field`, `unknown-tier`, `not-certified`",
        },
        **REFUSALS,
    },
)
async def extract(request: Request) -> Response:
    """Each field is answered by the cheapest tier that can be trusted with it; what none can is in review."""
    raise _answered_in_front(request)


@router.post(
    "/v1/extract/batch",
    summary="Extract fields from many documents",
    tags=["extraction"],
    openapi_extra={"requestBody": BATCH_BODY, "parameters": BATCH_PARAMETERS},
    responses={
        200: BATCH_ANSWER,
        400: {**ERROR, "description": "`invalid-json`, `malformed-http`"},
        413: {**ERROR, "description": "`body-too-large`, `batch-too-large`"},
        422: {**ERROR, "description": "`invalid-request`"},
        **REFUSALS,
    },
)
async def extract_batch(request: Request) -> Response:
    """A document that cannot be answered has `error` in its line and spoils nothing else."""
    raise _answered_in_front(request)


def _answered_in_front(request: Request) -> NotFound:
    # The routes of extraction are here for the OpenAPI document; gateway.http.front answers them.
    return NotFound(f"there is nothing at {request.url.path[:200]!r}")


@router.get("/v1/tasks", summary="List the tasks", tags=["tasks"])
async def list_tasks(request: Request) -> Response:
    """Every task with its fields and default quality."""
    return UnicodeResponse({"tasks": [task_summary(task) for task in _service(request).engine.tasks.values()]})


@router.get(
    "/v1/tasks/{task}",
    summary="Describe a task",
    tags=["tasks"],
    responses={404: {**ERROR, "description": "`unknown-task`"}},
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
    responses={503: {**ERROR, "description": "`not-ready`; `detail` is the same report"}},
)
async def ready(request: Request) -> Response:
    """200 when rules and student of every task can answer; `degraded` names what is missing or stale."""
    service = _service(request)
    answers, report = await readiness(service.engine)
    for name, found in report["tasks"].items():
        if service.answering.auditor is not None and (warnings := service.answering.auditor.warnings(name)):
            found["warnings"] = warnings
    if not answers:
        waiting = ", ".join(name for name, task in report["tasks"].items() if not task["ready"])
        raise NotReady(f"cannot serve {waiting}" if waiting else "the home has no tasks", detail=report)
    return UnicodeResponse(report)


@router.get("/metrics", summary="Prometheus metrics", tags=["operation"])
async def metrics(request: Request) -> Response:
    """All worker processes together."""
    found = _service(request).metrics
    if not found.enabled:
        raise NotFound("metrics are off (CASCADE_METRICS)")
    body, media_type = await found.scrape()
    return Response(body, headers={"Content-Type": media_type})
