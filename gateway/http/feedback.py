"""``POST /v1/feedback``: what a field's value is, from somebody who knows."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.responses import Response

from gateway.audit.auditor import Auditor
from gateway.audit.store import Correction
from gateway.engine import Engine
from gateway.errors import AuditStoreError, InvalidRequest
from gateway.http.body import parse_json, read_body
from gateway.http.errors import invalid_request
from gateway.http.extracting import check_keys, check_text, find_task
from gateway.http.openapi import ERROR, REFUSALS
from gateway.http.responses import UnicodeResponse
from gateway.http.schemas import Text
from gateway.loaded import LoadedTask
from gateway.settings import Settings
from gateway.telemetry.logs import facts

PATH = "/v1/feedback"
#: As long as a value of any type may be (``gateway.values.types.longest_value``); texts have no longer ones either.
_VALUE_LIMIT = 1_000
_ITEMS_LIMIT = 1_000
_Value = Annotated[Text, Field(min_length=1, max_length=_VALUE_LIMIT)]
_EXAMPLE: dict[str, Any] = {"task": "receipts", "request_id": "b1946ac92492d234", "field": "total", "value": "12.50"}

router = APIRouter()
_log = logging.getLogger("gateway.http")


class FeedbackRequest(BaseModel):
    """One field's right value in one document."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [_EXAMPLE]})

    task: Text = Field(max_length=200, description="Name of the task.")
    field: Text = Field(max_length=200, description="The field.")
    value: _Value | Annotated[list[_Value], Field(max_length=_ITEMS_LIMIT, fail_fast=True)] | None = Field(
        description="What is right, in the form labels use; all items of a `many` field; `null`: it is not in the "
        "document. Confirming an answer counts as much as correcting one."
    )
    request_id: Text | None = Field(
        None, min_length=1, max_length=128, description="`X-Request-Id` of the answer. This or `id` is needed."
    )
    id: Text | None = Field(None, min_length=1, max_length=256, description="The document's `id` in the request.")
    text: Text | None = Field(
        None, description="The document, to calibrate with; kept only under `CASCADE_AUDIT_KEEP_TEXT`."
    )
    answer: _Value | Annotated[list[_Value], Field(max_length=_ITEMS_LIMIT, fail_fast=True)] | None = Field(
        None, description="What the gateway had answered, where it is known."
    )

    @model_validator(mode="after")
    def _named(self) -> FeedbackRequest:
        if self.request_id is None and self.id is None:
            raise ValueError("request_id or id is needed, to know which answer is meant")
        return self


@router.post(
    PATH,
    summary="Correct or confirm an answer",
    tags=["feedback"],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": FeedbackRequest.model_json_schema()}},
        }
    },
    responses={
        200: {
            "description": "`result` is `new`, `same` or `changed`; `agree` whether the answer was right, `null` where "
            "that is not known; `audit` whether it answered a question drawn at random; `text` `kept` or `not-kept`."
        },
        400: {**ERROR, "description": "`invalid-json`"},
        404: {**ERROR, "description": "`unknown-task`"},
        409: {**ERROR, "description": "`ambiguous-feedback`: the request had several documents"},
        413: {**ERROR, "description": "`body-too-large`, `text-too-long`"},
        422: {**ERROR, "description": "`invalid-request`, `unknown-field`, `empty-text`"},
        **REFUSALS,
        503: {**ERROR, "description": "`audit-store`: the audit database cannot be written"},
    },
)
async def feedback(request: Request) -> Response:
    """The same correction sent again changes nothing; another value for the same field replaces the earlier one."""
    service: Any = request.app.state.service
    engine: Engine = service.engine
    settings: Settings = service.settings
    auditor: Auditor = service.answering.auditor
    body = await read_body(request.scope, request.receive, settings.max_body_bytes, settings.body_timeout)
    asked = _parse(parse_json(body))
    task = find_task(engine.tasks, asked.task)
    task.spec.check_fields([asked.field])
    if asked.text is not None:
        check_text(asked.text, settings.max_text_characters)
    try:
        kept = await auditor.correct(task, _correction(task, asked))
    except AuditStoreError as error:
        # Where the database lies on this machine is no client's business.
        _log.error("feedback not kept", extra=facts(code=error.code, problem=error.message))
        raise AuditStoreError("the correction cannot be kept now; the log says why") from error
    return UnicodeResponse(
        {
            "task": asked.task,
            "field": asked.field,
            "request_id": asked.request_id,
            "id": asked.id,
            "result": kept.result,
            "agree": kept.agree,
            "audit": kept.audit,
            "text": "kept" if kept.text_kept else "not-kept",
        }
    )


def _parse(value: Any) -> FeedbackRequest:
    check_keys(value)
    try:
        return FeedbackRequest.model_validate(value)
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False, include_input=False)) from None


def _correction(task: LoadedTask, asked: FeedbackRequest) -> Correction:
    many = task.spec.fields[asked.field].many
    given = {"value": asked.value, "answer": asked.answer}
    for name, value in given.items():
        if isinstance(value, list) and not many:
            raise InvalidRequest(f'{name}: "{asked.field}" has one value, not a list')
    return Correction(
        task=asked.task,
        field=asked.field,
        value=_values(asked.value),
        request_id=asked.request_id,
        document_id=asked.id,
        text=asked.text,
        answer=_values(asked.answer) if "answer" in asked.model_fields_set else None,
    )


def _values(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
