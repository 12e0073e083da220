from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.http.schemas import ExtractAnswer

BILL = "Shop: MUTIARA LTD\nTOTAL 9.00\n"
LINES = {"content-type": "application/x-ndjson"}


def lines(response: httpx.Response) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    *found, last = [json.loads(line) for line in response.text.splitlines()]
    summary: dict[str, Any] = last["summary"]
    return found, summary


def test_every_document_gets_a_line_and_a_failure_spoils_only_its_own(shared_service: Any) -> None:
    documents: list[Any] = [
        {"id": "good", "text": BILL},
        {"id": "empty", "text": " "},
        {"id": "typo", "text": BILL, "fieldz": 1},
        "no object",
        {"id": "other", "text": BILL, "task": "nope"},
        {"text": BILL, "max_tier": "rules"},
    ]
    body = {"task": "bills", "fields": ["shop", "total"], "ordered": True, "documents": documents}
    found, summary = lines(shared_service.client.post("/v1/extract/batch", json=body))
    assert [line["index"] for line in found] == list(range(6))
    assert [line.get("error", {}).get("code") for line in found] == [
        *(None, "empty-text", "invalid-request", "invalid-request", "unknown-task", None)
    ]
    assert [line["id"] for line in found] == ["good", "empty", "typo", None, "other", None]
    assert set(found[0]["fields"]) == {"shop", "total"}
    ExtractAnswer.model_validate({name: value for name, value in found[0].items() if name != "index"})
    assert found[5]["tiers"] == ["rules"]
    amount = summary.pop("cost")["amount"]
    assert amount == pytest.approx(sum(line["cost"]["amount"] for line in (found[0], found[5])))
    assert summary == {"documents": 6, "answered": 2, "failed": 4, "complete": 1, "review": 1, "degraded": 0}


def test_all_documents_are_answered_by_the_generation_the_batch_began_with(
    serve: Any, scripted: Any, eventually: Any
) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, batch_concurrency=1)
    body = {"task": "bills", "ordered": True, "documents": [{"text": BILL}] * 3}
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(service.client.post("/v1/extract/batch", json=body)))
    thread.start()
    eventually(lambda: service.inference.depths["student"] == 1)
    # An edit takes effect in the middle.
    service.engine.replace({name: replace(task, generation=7) for name, task in service.engine.tasks.items()})
    slow.gate.set()
    thread.join(10)
    found, _ = lines(answers[0])
    assert [line["versions"]["generation"] for line in found] == [1, 1, 1]
    assert service.extract(BILL).json()["versions"]["generation"] == 7


def test_json_lines_are_taken_too(shared_service: Any) -> None:
    content = b"\n".join(
        [
            json.dumps({"text": BILL, "id": "a"}).encode(),
            b"{broken",
            b"",
            b'"\xff"',
            json.dumps({"text": BILL, "id": "b", "task": "bills"}).encode(),
        ]
    )
    response = shared_service.client.post(
        "/v1/extract/batch", params={"task": "bills", "ordered": "true"}, content=content, headers=LINES
    )
    found, summary = lines(response)
    assert [line.get("error", {}).get("code") for line in found] == [None, "invalid-json", "invalid-json", None]
    assert found[1]["error"]["message"].startswith("line 2 is not JSON")
    assert (summary["documents"], summary["failed"]) == (4, 2)


@pytest.mark.parametrize(
    ("content", "headers", "query", "code"),
    [
        (b"", {}, "", "invalid-json"),
        (b"[]", {}, "", "invalid-request"),
        (b'{"documents": {}}', {}, "", "invalid-request"),
        (b'{"documents": []}', {}, "", "invalid-request"),
        (b'{"documents": [{}], "ordered": 1}', {}, "", "invalid-request"),
        (b'{"documents": [{}], "text": "x"}', {}, "", "invalid-request"),
        (b'{"documents": [{}], "quality": 7}', {}, "", "invalid-request"),
        (b'{"documents": [{}], "surprise": 7}', {}, "", "invalid-request"),
        (b"\n \n", LINES, "", "invalid-request"),
        (b"{}", LINES, "?surprise=1", "invalid-request"),
        (b"{}", LINES, "?ordered=yes", "invalid-request"),
        (b'{"documents": [{}, {}, {}, {}]}', {}, "", "batch-too-large"),
        (b"{}\n{}\n{}\n{}", LINES, "", "batch-too-large"),
        (b"x" * 3000, {}, "", "body-too-large"),
    ],
)
def test_a_batch_that_is_wrong_as_a_whole_is_refused(
    serve: Callable[..., Any], content: bytes, headers: dict[str, str], query: str, code: str
) -> None:
    service = serve(max_batch_documents=3, max_batch_bytes=2048)
    response = service.client.post(f"/v1/extract/batch{query}", content=content, headers=headers)
    assert response.json()["error"]["code"] == code, response.text


def test_lines_come_as_they_are_ready(serve: Any, scripted: Any) -> None:
    gate = threading.Event()
    service = serve(student=scripted("student", "student-1", gate=gate))
    documents = [{"text": BILL}, {"text": BILL, "max_tier": "rules"}]
    with service.client.stream("POST", "/v1/extract/batch", json={"task": "bills", "documents": documents}) as response:
        arriving = response.iter_lines()
        assert json.loads(next(arriving))["index"] == 1  # while the first still waits for the student
        gate.set()
        assert json.loads(next(arriving))["index"] == 0
        assert "summary" in json.loads(next(arriving))


def test_a_batch_works_on_few_documents_at_a_time(serve: Any, scripted: Any, eventually: Any) -> None:
    gate = threading.Event()
    student = scripted("student", "student-1", gate=gate)
    service = serve(student=student, batch_concurrency=3)
    answers: list[httpx.Response] = []
    body = {"task": "bills", "documents": [{"text": f"{BILL}{number}"} for number in range(9)]}
    asking = threading.Thread(target=lambda: answers.append(service.client.post("/v1/extract/batch", json=body)))
    asking.start()
    eventually(lambda: service.inference.depths["student"] == 3)
    time.sleep(0.2)
    assert service.inference.depths["student"] == 3
    gate.set()
    asking.join(20)
    assert lines(answers[0])[1]["answered"] == 9


def test_work_for_a_client_that_left_is_dropped(serve: Any, scripted: Any, eventually: Any) -> None:
    gate = threading.Event()
    student = scripted("student", "student-1", gate=gate)
    service = serve(student=student)
    body = {"task": "bills", "documents": [{"text": f"{BILL}{number}"} for number in range(50)]}
    with (
        httpx.Client(base_url=service.client.base_url, timeout=0.5) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.post("/v1/extract/batch", json=body)
    eventually(lambda: service.inference.depths["student"] <= 4)
    gate.set()
    eventually(lambda: service.inference.depths["student"] == 0)
    assert len(student.calls) < 10


def test_a_slow_reader_slows_the_work_down_and_is_cut_off(serve: Any, eventually: Any) -> None:
    service = serve(write_timeout=1.0, max_batch_bytes=64 * 1024 * 1024, max_batch_documents=5000)
    # Each answer repeats its id and has many items, so that the answers do not fit into the buffers between.
    text = "".join(f"Item: bread {number}\n" for number in range(400))
    body = json.dumps({"task": "bills", "documents": [{"text": text, "id": "x" * 250}] * 2000}).encode()
    address = (service.client.base_url.host, service.client.base_url.port)
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"POST /v1/extract/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        eventually(lambda: service.sample("cascade_requests_total", task="bills", status="review") > 0, 20)
        eventually(lambda: _stands_still(service), 30)
        assert service.sample("cascade_requests_total", task="bills", status="review") < 1990
        assert service.client.get("/healthz").status_code == 200
        assert b'"summary"' not in _all_that_comes(connection)


def _all_that_comes(connection: socket.socket) -> bytes:
    """What arrives within some seconds: the system's buffers trickle for minutes through a small window."""
    received = bytearray()
    connection.settimeout(3)
    until = time.monotonic() + 5
    try:
        while time.monotonic() < until and (part := connection.recv(65536)):
            received += part
    except (ConnectionResetError, TimeoutError):
        pass
    return bytes(received)


def _stands_still(service: Any) -> bool:
    before = service.sample("cascade_requests_total", task="bills", status="review")
    time.sleep(0.5)
    return bool(service.sample("cascade_requests_total", task="bills", status="review") == before)
