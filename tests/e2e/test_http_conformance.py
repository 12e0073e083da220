"""The OpenAPI description against the running server, by schemathesis: no 5xx, every error in the one shape."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.errors import all_errors
from gateway.home import Home
from gateway.http.schemas import ErrorAnswer, ExtractAnswer

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis: pip install 'cascade-gateway[dev]'")

#: Examples of each operation; more find more.
EXAMPLES = int(os.environ.get("CASCADE_TEST_SCHEMATHESIS_EXAMPLES", "20"))
STATUS = {error.code: error.status for error in all_errors()}


@pytest.fixture
def operations(start: Any, tiny_home: Home) -> list[Any]:
    """What the running server describes."""
    schema = schemathesis.openapi.from_url(f"{start(tiny_home).address}/openapi.json")
    return [result.ok() for result in schema.get_all_operations()]


def check(operation: Any, response: Any) -> None:
    """No defect, and errors in the one shape."""
    assert response.status_code < 500, response.text
    assert response.headers["x-request-id"]
    if response.status_code >= 400:
        error = ErrorAnswer.model_validate(response.json()).error
        assert STATUS[error.code] == response.status_code, response.text
    elif operation.path == "/v1/extract":
        ExtractAnswer.model_validate(response.json())


def statuses(operation: Any, mode: Any) -> set[int]:
    """Ask with generated requests, check every answer; the statuses seen."""
    seen: set[int] = set()

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        response = case.call()
        check(operation, response)
        seen.add(response.status_code)

    ask()
    return seen


def test_requests_as_described_and_otherwise_are_answered_without_a_defect(operations: list[Any]) -> None:
    seen: dict[str, set[int]] = {}
    for operation in operations:
        seen[operation.path] = statuses(operation, schemathesis.GenerationMode.POSITIVE)
        if operation.body:  # any text is a path, so that only bodies can be wrong
            seen[operation.path] |= statuses(operation, schemathesis.GenerationMode.NEGATIVE)
    assert set(seen) >= {"/v1/extract", "/v1/extract/batch", "/v1/tasks", "/v1/tasks/{task}", "/healthz", "/readyz"}
    assert {404, 422} <= seen["/v1/extract"]
    assert {200, 422} <= seen["/v1/extract/batch"]
    assert seen["/healthz"] == {200}


def test_the_examples_of_the_description_are_answered(operations: list[Any]) -> None:
    tried = 0
    for operation in operations:
        body = operation.definition.raw.get("requestBody", {"content": {}})
        for example in body["content"].get("application/json", {}).get("examples", {}).values():
            value = {name: part for name, part in example["value"].items() if name != "fields"}
            response = operation.Case(body={**value, "task": "bills"}, media_type="application/json").call()
            assert response.status_code == 200, response.text
            tried += 1
    assert tried == 3
