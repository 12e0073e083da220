"""What the OpenAPI document says of the requests that are read by hand, of headers, and of keys."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.http.schemas import REQUEST_EXAMPLES, ErrorAnswer, ExtractRequest

JSON_LINES = "application/x-ndjson"
_REFERENCE = "#/components/schemas/{model}"
_EXTRACTION = ("/v1/extract", "/v1/extract/batch")
_OPEN = ("/healthz", "/readyz")
#: Keys of a request that a batch cannot have in common.
_OF_ONE_DOCUMENT = ("text", "id")

ERROR: dict[str, Any] = {"model": ErrorAnswer}
#: Refusals of every extraction.
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {**ERROR, "description": "`unauthorized`: keys are needed (`CASCADE_KEYS`), and no good one came"},
    403: {**ERROR, "description": "`forbidden`: the key lacks the role"},
    408: {**ERROR, "description": "`request-timeout`"},
    415: {**ERROR, "description": "`unsupported-encoding`"},
    429: {**ERROR, "description": "`rate-limited`, `budget-exhausted`"},
    431: {**ERROR, "description": "`headers-too-large`"},
    500: {**ERROR, "description": "`internal`"},
    503: {**ERROR, "description": "`overloaded`, `not-ready`"},
}
REQUEST_BODY: dict[str, Any] = {
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
BATCH_EXAMPLE: dict[str, Any] = {
    "task": "receipts",
    "ordered": True,
    "documents": [{"id": "a", "text": "DATE: 14/03/2018\nTOTAL RM 9.00"}, {"id": "b", "text": "TOTAL RM 12.50"}],
}
BATCH_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/BatchRequest"},
            "examples": {"batch": {"summary": "Two documents", "value": BATCH_EXAMPLE}},
        },
        JSON_LINES: {"schema": {"type": "string", "description": "One `ExtractRequest` a line."}},
    },
}
BATCH_ANSWER: dict[str, Any] = {
    "description": "A line for each document as it is ready, with its `index` and what `POST /v1/extract` answers, or "
    "`error`; then a line with `summary`.",
    "content": {JSON_LINES: {"schema": {"type": "string"}}},
}
BATCH_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "task",
        "in": "query",
        "description": "With JSON Lines: the task of lines that name none.",
        "schema": {"type": "string", "maxLength": 200},
    },
    {
        "name": "ordered",
        "in": "query",
        "description": "With JSON Lines: whether the answer's lines come in the documents' order.",
        "schema": {"type": "boolean", "default": False},
    },
]
_HEADERS: list[dict[str, Any]] = [
    {
        "name": "X-Deadline-Ms",
        "in": "header",
        "description": "As `deadline_ms`; the shortest of both and of `CASCADE_DEADLINE_MS` counts.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 3_600_000},
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Returned and logged, where it is 1 to 128 letters, digits or `. _ : -`.",
        "schema": {"type": "string"},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "W3C Trace Context: returned, and its trace id logged, where it is well formed.",
        "schema": {"type": "string"},
    },
]
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def describe(app: FastAPI) -> None:
    """Let ``app``'s OpenAPI document hold all this."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            components = document.setdefault("components", {})
            components.setdefault("schemas", {}).update(_request_schemas())
            components["securitySchemes"] = _SECURITY_SCHEMES
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if path not in _OPEN:
                        # Keys are needed only where the service has been given some.
                        operation["security"] = [{}, *({scheme: []} for scheme in _SECURITY_SCHEMES)]
                    if path in _EXTRACTION:
                        operation.setdefault("parameters", []).extend(_HEADERS)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _request_schemas() -> dict[str, Any]:
    single = ExtractRequest.model_json_schema(ref_template=_REFERENCE)
    properties = single["properties"]
    document = {
        "type": "object",
        "title": "BatchDocument",
        "description": "One document; what it says itself comes before what the batch says.",
        "properties": properties,
        "required": ["text"],
        "additionalProperties": False,
    }
    batch = {
        "type": "object",
        "title": "BatchRequest",
        "description": "Documents, and what they have in common: any key of a request but `text` and `id`.",
        "properties": {
            "documents": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/BatchDocument"}},
            "ordered": {
                "type": "boolean",
                "default": False,
                "description": "Whether the answer's lines come in the documents' order.",
            },
            **{name: schema for name, schema in properties.items() if name not in _OF_ONE_DOCUMENT},
        },
        "required": ["documents"],
        "additionalProperties": False,
    }
    return {"ExtractRequest": single, "BatchDocument": document, "BatchRequest": batch}
