"""The door: who is let in, who is sent away, and that neither waits for the other."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from typing import Any

import pytest

from gateway.http.door import Door
from tests.gateway.http.test_limits import BILL, answer, closed, connected, request

WAITING = json.dumps({"task": "bills", "text": BILL}).encode()


def test_the_door_counts_extraction_alone_and_up_to_its_limit() -> None:
    door = Door(2)
    assert [door.enter("POST", "/v1/extract"), door.enter("POST", "/v1/extract/batch")] == [True, True]
    assert door.enter("POST", "/v1/extract") is False
    assert {door.enter("GET", "/v1/extract"), door.enter("POST", "/v1/feedback"), door.enter("GET", "/readyz")} == {
        None
    }
    door.leave()
    assert door.enter("POST", "/v1/extract") is True
    assert door.inside == 2


def test_requests_begin_in_order_and_the_loop_turns_between_them() -> None:
    begun: list[int | str] = []

    async def main() -> None:
        loop, door = asyncio.get_running_loop(), Door(100)
        for number in range(9):
            door.begin(loop, lambda number=number: begun.append(number))  # type: ignore[misc]
        while begun.count("turn") < 9:
            begun.append("turn")
            await asyncio.sleep(0)

    asyncio.run(main())
    numbers = [found for found in begun if found != "turn"]
    assert numbers == list(range(9))
    # Never all at once: what arrives meanwhile is looked at.
    assert all(begun[at : at + 4].count("turn") for at in range(len(begun) - 4))


def test_refusals_are_logged_together(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.door._LOG_SECONDS", 0.01)
    codes: list[str] = []

    async def main() -> None:
        door = Door(0, codes.append)
        for _ in range(5):
            door.refusal(asyncio.get_running_loop(), b"id", keep=True)
        await asyncio.sleep(0.05)

    with caplog.at_level(logging.WARNING, logger="gateway.http"):
        asyncio.run(main())
    assert codes == ["overloaded"] * 5
    (record,) = caplog.records
    assert record.facts["requests"] == 5  # type: ignore[attr-defined]


@pytest.fixture
def full(serve: Any, scripted: Any, eventually: Any) -> Any:
    """A service with its one place taken."""
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, max_requests=1)
    waiting = threading.Thread(target=lambda: service.extract(BILL))
    waiting.start()
    eventually(lambda: service.inference.depths["student"] == 1)
    yield service
    slow.gate.set()
    waiting.join(10)
    assert service.extract(BILL).status_code == 200


def test_a_connection_outlives_a_refusal(full: Any) -> None:
    with connected(full) as connection:
        for number in range(3):
            connection.sendall(request(WAITING, f"X-Request-Id: mine-{number}"))
            status, headers, body = answer(connection)
            assert (status, body["error"]["code"]) == (503, "overloaded")
            assert (headers["retry-after"], headers["x-request-id"]) == ("1", f"mine-{number}")
            assert (headers["content-type"], "connection" in headers) == ("application/json", False)
        connection.sendall(request(WAITING, "X-Request-Id: {no}"))
        assert len(answer(connection)[1]["x-request-id"]) == 32
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(connection)[0] == 200
    assert full.sample("cascade_refused_total", code="overloaded") == 4


def test_a_connection_that_shall_end_ends_with_its_refusal(full: Any) -> None:
    with connected(full) as connection:
        connection.sendall(request(WAITING, "Connection: close"))
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (503, "close")
        assert closed(connection)


def test_a_body_that_comes_in_pieces_is_passed_over(full: Any) -> None:
    with connected(full) as connection:
        connection.sendall(request(WAITING[:10], length=len(WAITING)))
        assert answer(connection)[0] == 503
        connection.sendall(WAITING[10:] + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(connection)[0] == 200


def test_a_long_row_of_requests_is_refused_one_by_one(full: Any) -> None:
    count = 3000
    received = 0
    with connected(full) as connection:

        def send() -> None:
            connection.sendall(request(WAITING) * count)
            connection.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        pending = b""
        while received < count:
            part = connection.recv(1 << 20)
            assert part, f"closed after {received}"
            pending += part
            received += pending.count(b"HTTP/1.1 503")
            pending = pending[pending.rfind(b"\r\n") :]
        sending.join(10)
    assert full.client.get("/healthz").status_code == 200
