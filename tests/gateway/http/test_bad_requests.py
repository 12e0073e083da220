from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import all_errors
from gateway.http.schemas import ErrorAnswer

STATUS = {error.code: error.status for error in all_errors()}


def assert_error(response: httpx.Response, code: str | None = None) -> dict[str, Any]:
    """The one shape, a listed code, its status, and no trace of the program's inside."""
    error = ErrorAnswer.model_validate(response.json()).error
    assert response.status_code == STATUS[error.code]
    assert response.headers["content-type"] == "application/json"
    assert "Traceback" not in response.text
    if code is not None:
        assert error.code == code, error
    body: dict[str, Any] = response.json()["error"]
    return body


def body(**changes: object) -> bytes:
    return json.dumps({"task": "bills", "text": "TOTAL 9.00", **changes}).encode()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid-json"),
        (b"{", "invalid-json"),
        (b"not json", "invalid-json"),
        (b'{"task": "bills", "text": "\xff\xfe"}', "invalid-json"),
        (b"[" * 100_000, "invalid-json"),
        (b'{"quality": ' + b"1" * 5000 + b"}", "invalid-json"),
        (b"null", "invalid-request"),
        (b"[]", "invalid-request"),
        (b'"text"', "invalid-request"),
        (b"{}", "invalid-request"),
        (b'{"task": "bills"}', "invalid-request"),
        (body(text=""), "empty-text"),
        (body(text=" \t\r\n\u3000\u2028"), "empty-text"),
        (body(text=None), "invalid-request"),
        (body(text=["a"]), "invalid-request"),
        (body(text="a \ud800 b"), "invalid-request"),
        (body(task="bills\udfff"), "invalid-request"),
        (body(task="nope"), "unknown-task"),
        (body(task="../../etc/passwd"), "unknown-task"),
        (body(task=7), "invalid-request"),
        (body(fields=["vat"]), "unknown-field"),
        (body(fields=[]), "unknown-field"),
        (body(fields="total"), "invalid-request"),
        (body(fields=[["total"]]), "invalid-request"),
        (body(max_tier="huge"), "unknown-tier"),
        (body(quality=0.49), "invalid-request"),
        (body(quality=1), "invalid-request"),
        (body(quality="0.9"), "invalid-request"),
        (body(quality=True), "invalid-request"),
        (body(quality=float("nan")), "invalid-request"),
        (body(quality=float("inf")), "invalid-request"),
        (body(budget=-1), "invalid-request"),
        (body(budget=float("nan")), "invalid-request"),
        (body(deadline_ms=0), "invalid-request"),
        (body(deadline_ms=1e300), "invalid-request"),
        (body(strict_quality="yes"), "invalid-request"),
        (body(id=7), "invalid-request"),
        (body(lines=[{"box": {"x": 1}}]), "invalid-request"),
        (body(lines=[{"box": [float("nan")]}]), "invalid-request"),
        (body(reference_date="yesterday"), "invalid-request"),
        (body(locale="!"), "invalid-request"),
        (body(surprise=1), "invalid-request"),
        (json.dumps({"task": "bills", "text": "a", "\ud800": 1}).encode(), "invalid-request"),
    ],
    ids=lambda value: value[:60].decode(errors="replace") if isinstance(value, bytes) else value,
)
def test_each_bad_request_has_its_own_code(shared_service: Any, content: bytes, code: str) -> None:
    assert_error(shared_service.client.post("/v1/extract", content=content), code)


def test_the_message_names_the_key_and_not_the_value(shared_service: Any) -> None:
    error = assert_error(shared_service.client.post("/v1/extract", content=body(quality=3.25, surprise="my secret")))
    keys = {problem["key"] for problem in error["detail"]["problems"]}
    assert keys == {"quality", "surprise"}
    assert "secret" not in json.dumps(error)
    assert "3.25" not in json.dumps(error)


def test_long_names_are_not_sent_back_whole(shared_service: Any) -> None:
    for changes in ({"task": "x" * 200}, {"fields": ["y" * 200]}, {"z" * 100_000: 1}, {"max_tier": "t" * 200}):
        assert len(shared_service.client.post("/v1/extract", content=body(**changes)).content) < 1500


def test_text_over_the_limit_is_refused(serve: Any) -> None:
    service = serve(max_text_characters=20)
    assert service.extract("TOTAL 9.00 €€€€€€€€€").status_code == 200  # 20 characters, 38 bytes
    error = assert_error(service.extract("TOTAL 9.00 €€€€€€€€€€"), "text-too-long")
    assert error["detail"] == {"limit": 20}


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_declared(serve: Any, declared: bool) -> None:
    service = serve(max_body_bytes=4096)
    content = body(text="x" * 3_000_000)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    assert_error(service.client.post("/v1/extract", content=content if declared else chunks()), "body-too-large")
    assert service.extract("TOTAL 9.00").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", "not-found"),
        ("GET", "/v1/tasks/", "not-found"),
        ("POST", "/v2/extract", "not-found"),
        ("GET", "/v1/%00%ff", "not-found"),
        ("GET", "/v1/extract", "method-not-allowed"),
        ("DELETE", "/v1/tasks", "method-not-allowed"),
        ("GET", "/v1/tasks/nope", "unknown-task"),
        ("GET", "/v1/tasks/..%2f..", "not-found"),
    ],
)
def test_what_the_framework_refuses_has_the_same_shape(shared_service: Any, method: str, path: str, code: str) -> None:
    assert_error(shared_service.client.request(method, path), code)


def test_the_unexpected_is_an_internal_error_that_tells_nothing(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def explode(*_: object) -> None:
        raise RuntimeError("the document said: my secret")

    monkeypatch.setattr(service.engine, "extract", explode)
    response = service.extract("TOTAL 9.00")
    error = assert_error(response, "internal")
    assert response.headers["x-request-id"] in error["message"]
    assert "secret" not in response.text
    assert service.sample("cascade_requests_total", task="bills", status="failed") == 1


def test_a_byte_order_mark_is_passed_over(shared_service: Any) -> None:
    assert shared_service.client.post("/v1/extract", content=b"\xef\xbb\xbf" + body()).status_code == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        *("task", "text", "id", "fields", "quality", "strict_quality", "max_tier", "budget", "deadline_ms"),
        *("context", "lines", "reference_date", "locale", "explain", "other"),
    ]
)
plausible = st.fixed_dictionaries({"task": st.just("bills"), "text": st.text(min_size=1)})


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(json_values, st.dictionaries(keys, json_values), st.tuples(plausible, st.dictionaries(keys, json_values)))
)
def test_whatever_json_is_sent_gets_an_answer_or_an_error_of_the_one_shape(shared_service: Any, value: Any) -> None:
    sent = {**value[0], **value[1]} if isinstance(value, tuple) else value
    response = shared_service.client.post("/v1/extract", content=json.dumps(sent).encode())
    if response.status_code == 200:
        assert response.json()["task"] == "bills"
    else:
        assert assert_error(response)["code"] not in ("internal", "bad-request")
