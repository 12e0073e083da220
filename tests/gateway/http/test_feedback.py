from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BODY = {"task": "bills", "field": "total", "value": "9.00", "id": "doc"}


def test_feedback_is_kept_once_and_compared_with_the_answer_sent_along(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    service = serve(state=tmp_path)
    first = service.client.post("/v1/feedback", json={**BODY, "answer": "RM 9"})
    assert first.status_code == 200
    assert first.json() == {
        **{"task": "bills", "field": "total", "request_id": None, "id": "doc"},
        **{"result": "new", "agree": True, "audit": False, "text": "not-kept"},
    }
    assert service.client.post("/v1/feedback", json=BODY).json()["result"] == "same"
    changed = service.client.post("/v1/feedback", json={**BODY, "value": None, "answer": None}).json()
    assert (changed["result"], changed["agree"]) == ("changed", True)
    many = service.client.post(
        "/v1/feedback", json={**BODY, "field": "item", "value": ["a", "b"], "answer": ["b", "a"]}
    )
    assert many.json()["agree"] is True
    assert service.sample("cascade_feedback_total", task="bills", field="total", verdict="right") == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"task": "nothing"}, 404, "unknown-task"),
        ({"field": "vat"}, 422, "unknown-field"),
        ({"id": None}, 422, "invalid-request"),
        ({"value": ["9.00"]}, 422, "invalid-request"),
        ({"value": 9}, 422, "invalid-request"),
        ({"value": ""}, 422, "invalid-request"),
        ({"answer": ["9.00"]}, 422, "invalid-request"),
        ({"value": "\ud800"}, 422, "invalid-request"),
        ({"more": 1}, 422, "invalid-request"),
        ({"text": "  "}, 422, "empty-text"),
        ({"text": "x" * 1001}, 413, "text-too-long"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_code(
    serve: Callable[..., Any], tmp_path: Path, change: dict[str, Any], status: int, code: str
) -> None:
    service = serve(state=tmp_path, max_text_characters=1000)
    answer = service.client.post(
        "/v1/feedback", content=json.dumps({**BODY, **change}), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not (tmp_path / "audit.sqlite3").exists()


def test_a_missing_value_is_not_an_absent_one(serve: Callable[..., Any], tmp_path: Path) -> None:
    service = serve(state=tmp_path)
    without = {key: value for key, value in BODY.items() if key != "value"}
    assert service.client.post("/v1/feedback", json=without).status_code == 422
    assert service.client.post("/v1/feedback", content=b"{").json()["error"]["code"] == "invalid-json"


def test_a_database_that_cannot_be_used_is_said(serve: Callable[..., Any], tmp_path: Path) -> None:
    service = serve(state=tmp_path)
    (tmp_path / "audit.sqlite3").write_text("no database " * 100)
    answer = service.client.post("/v1/feedback", json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit-store")
    assert service.extract("TOTAL 9.00").status_code == 200
