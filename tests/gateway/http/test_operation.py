from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import all_errors
from gateway.http.schemas import REQUEST_EXAMPLES, ExtractRequest
from gateway.http.scope import request_id

BILL = "Shop: MUTIARA LTD\nTOTAL 9.00\n"


def test_health_says_that_the_process_is_alive(serve: Any) -> None:
    assert serve(missing=("student", "large")).client.get("/healthz").json() == {"status": "ok"}


def test_ready_with_everything(shared_service: Any) -> None:
    response = shared_service.client.get("/readyz")
    assert response.status_code == 200
    report = response.json()
    assert report["status"] == "ready"
    assert report["tasks"]["bills"]["missing"] == []
    assert report["tasks"]["bills"]["tiers"]["student"] == {
        "available": True,
        "version": "student-1",
        "mode": "int8",
    }


def test_ready_but_degraded_without_the_large_tier(serve: Any) -> None:
    response = serve(missing=("large",)).client.get("/readyz")
    assert response.status_code == 200
    task = response.json()["tasks"]["bills"]
    assert (response.json()["status"], task["status"], task["missing"]) == ("degraded", "degraded", ["large"])
    assert "large: no large here" in task["problems"]


def test_not_ready_without_the_student(serve: Any) -> None:
    response = serve(missing=("student", "large")).client.get("/readyz")
    assert response.status_code == 503
    error = response.json()["error"]
    assert error["code"] == "not-ready"
    assert error["detail"]["tasks"]["bills"]["missing"] == ["student", "large"]


def test_stale_parts_are_named(serve: Any, scripted: Any) -> None:
    report = serve(student=scripted("student", "student-2")).client.get("/readyz").json()
    assert report["status"] == "degraded"
    assert any(problem.startswith("student: not the model") for problem in report["tasks"]["bills"]["problems"])


def test_tasks_are_listed_and_described(shared_service: Any) -> None:
    listed = shared_service.client.get("/v1/tasks").json()["tasks"]
    assert [(task["task"], task["fields"]) for task in listed] == [("bills", ["shop", "total", "item"])]
    task = shared_service.client.get("/v1/tasks/bills").json()
    assert task["fields"]["item"] == {"type": "text", "many": True, "quality": 0.9, "description": ""}
    assert task["quality"] == 0.9
    assert task["certified"]["rules+student"]["total"] == [0.9]  # 0.99 is there, but not certified
    assert set(task["tiers"]) == {"rules", "student", "large"}
    assert task["versions"]["student"] == "student-1"
    assert task["problems"] == []


@pytest.mark.parametrize("path", ["/healthz", "/v1/tasks", "/nowhere", "/metrics"])
def test_every_answer_carries_the_request_id(shared_service: Any, path: str) -> None:
    assert (
        shared_service.client.get(path, headers={"X-Request-Id": "trace-1.a:b"}).headers["x-request-id"]
        == "trace-1.a:b"
    )
    own = {shared_service.client.get(path).headers["x-request-id"] for _ in range(2)}
    assert len(own) == 2


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b"a\nb", "é".encode(), b'a"b', None])
def test_an_id_that_is_not_safe_to_repeat_is_replaced(given: bytes | None) -> None:
    assert re.fullmatch(rb"[0-9a-f]{32}", request_id(given))


def test_the_openapi_document_describes_the_request(shared_service: Any) -> None:
    document = shared_service.client.get("/openapi.json").json()
    content = document["paths"]["/v1/extract"]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"]["$ref"] == "#/components/schemas/ExtractRequest"
    schema = document["components"]["schemas"]["ExtractRequest"]
    assert set(schema["properties"]) == set(ExtractRequest.model_fields)
    assert schema["additionalProperties"] is False
    for example in content["examples"].values():
        ExtractRequest.model_validate(example["value"])
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert shared_service.client.get("/docs").status_code == 200


def test_the_request_has_exactly_the_documented_keys(project_root: Path) -> None:
    page = (project_root / "docs" / "http.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(\w+)` \|", page.split("## Answer")[0], re.MULTILINE))
    assert documented == set(ExtractRequest.model_fields)


def test_the_documentation_shows_only_listed_codes_and_every_path(project_root: Path, shared_service: Any) -> None:
    page = (project_root / "docs" / "http.md").read_text("utf-8")
    codes = {error.code for error in all_errors()}
    shown = set(re.findall(r'"code": "([a-z-]+)"', page))
    assert shown
    assert shown <= codes
    for path in shared_service.client.get("/openapi.json").json()["paths"]:
        assert f"{path}`" in page


def test_the_documented_request_examples_are_good() -> None:
    for example in REQUEST_EXAMPLES:
        ExtractRequest.model_validate(example)
