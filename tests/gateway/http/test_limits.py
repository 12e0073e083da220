"""What a client on a raw connection may do, and what it gets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.errors import all_errors
from gateway.http.body import MOST_CONTAINERS

BILL = "Shop: MUTIARA LTD\nTOTAL 9.00\n"
BODY = json.dumps({"task": "bills", "text": BILL, "max_tier": "rules"}).encode()
STATUS = {error.code: error.status for error in all_errors()}


@contextmanager
def connected(service: Any, seconds: float = 15.0) -> Iterator[socket.socket]:
    address = (service.client.base_url.host, service.client.base_url.port)
    with socket.create_connection(address, timeout=seconds) as connection:
        yield connection


def answer(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Read one answer: status, headers, JSON body."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, f"closed after {received!r}"
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return int(first.split()[1]), headers, json.loads(body)


def closed(connection: socket.socket) -> bool:
    """Whether the server ends the connection within the socket's timeout."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def cut_off_while_sending(connection: socket.socket, piece: bytes) -> bool:
    """Whether the server ends the connection on which ``piece`` is sent ten times a second."""
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            connection.sendall(piece)
            time.sleep(0.1)
    except OSError:
        return True
    return False


def request(body: bytes = BODY, *headers: str, path: str = "/v1/extract", length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


# --- what is not HTTP ---


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/extract HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda sent: sent[:40].decode("latin-1"),
)
def test_malformed_http_is_answered_in_the_one_shape(shared_service: Any, sent: bytes) -> None:
    with connected(shared_service) as connection:
        connection.sendall(sent)
        status, headers, body = answer(connection)
        assert (status, body["error"]["code"]) == (400, "malformed-http")
        assert (headers["content-type"], headers["connection"]) == ("application/json", "close")
        assert len(headers["x-request-id"]) == 32
        assert closed(connection)


@hypothesis_settings(max_examples=60)
@given(
    st.one_of(
        st.binary(min_size=1, max_size=300),
        st.builds(
            lambda method, path, header, body: b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, path, header, body),
            st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"BREW"]),
            st.sampled_from([b"/v1/extract", b"/v1/extract/batch", b"/healthz", b"*", b"/%", b"//", b"http://x/y"]),
            st.sampled_from([b"Host: x", b"Transfer-Encoding: chunked", b"Content-Length: 3", b"Expect: 100-continue"])
            | st.binary(max_size=60),
            st.binary(max_size=60),
        ),
    )
)
def test_whatever_bytes_arrive_no_answer_is_a_defect(shared_service: Any, sent: bytes) -> None:
    with connected(shared_service, 0.1) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except (TimeoutError, ConnectionResetError):
            pass
    for line in received.split(b"\r\n"):
        if line.startswith(b"HTTP/1.1 "):
            assert int(line.split()[1]) < 500, received
    assert shared_service.client.get("/healthz").status_code == 200


def test_garbage_behind_a_request_does_not_take_its_answer(shared_service: Any) -> None:
    with connected(shared_service) as connection:
        connection.sendall(request() + b"\x00\x01 garbage\r\n\r\n")
        status, headers, body = answer(connection)
        assert (status, body["task"]) == (200, "bills")
        assert headers["connection"] == "close"
        assert closed(connection)


def test_requests_sent_ahead_are_answered_in_turn(shared_service: Any) -> None:
    with connected(shared_service) as connection:
        connection.sendall(b"".join(request(path="/v1/extract", body=BODY) for _ in range(3)))
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 3 or received.count(b'"task":"bills"') < 3:
            received += connection.recv(65536)


def test_an_upgrade_is_answered_as_a_plain_request(shared_service: Any) -> None:
    with connected(shared_service) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert answer(connection)[0] == 200
        assert closed(connection)


# --- sizes ---


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
@pytest.mark.parametrize("piece", [b"X-Long: " + b"a" * 9000, b"\r\n".join(b"X-%d: 1" % n for n in range(2000))])
def test_headers_beyond_the_limit_are_refused_whether_or_not_they_end(serve: Any, piece: bytes, end: bytes) -> None:
    service = serve(max_header_bytes=8192)
    with connected(service) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + piece + end)
        status, _, body = answer(connection)
        assert (status, body["error"]["code"]) == (431, "headers-too-large")
        assert body["error"]["detail"] == {"limit": 8192}
        assert closed(connection)


def test_a_body_too_large_is_refused_before_it_is_sent(serve: Any) -> None:
    service = serve(max_body_bytes=4096)
    with connected(service) as connection:
        connection.sendall(request(b"", "Expect: 100-continue", length=10_000_000))
        status, headers, body = answer(connection)
        assert (status, body["error"]["code"], headers["connection"]) == (413, "body-too-large", "close")
        assert closed(connection)


CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "begin",
    [b"0\r\nX-Trailer: ", b"0\r\nX-A: 1\r\n", b"5;extension="],
    ids=["a-trailer-without-end", "trailers", "an-extension-without-end"],
)
def test_what_comes_beside_a_body_is_bounded_like_headers(serve: Any, begin: bytes) -> None:
    service = serve(max_header_bytes=8192)
    with connected(service) as connection:
        connection.sendall(CHUNKED % b"/v1/extract" + begin)
        piece = b"X-B: 2\r\n" * 100 if begin.endswith(b"\n") else b"a" * 1000
        sent = 0
        try:
            while sent < 10_000_000:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass  # closed, as it should be
        assert sent < 10_000_000, "it could go on for ever"
    assert service.client.get("/healthz").status_code == 200


def test_trailers_are_no_headers(serve: Any, scripted: Any) -> None:
    service = serve(keys=None)
    with connected(service) as connection:
        head = CHUNKED % b"/v1/extract" + b"%x\r\n%b\r\n" % (len(BODY), BODY)
        connection.sendall(head + b"0\r\nX-Deadline-Ms: soon\r\nX-Request-Id: trailed\r\n\r\n")
        status, headers, body = answer(connection)
        assert (status, body["task"]) == (200, "bills")
        assert headers["x-request-id"] != "trailed"


@pytest.mark.parametrize("text", ["[" * 300_000, '\\"[{' * 150_000])
def test_more_arrays_and_objects_than_any_request_has_are_refused_before_they_are_made(
    shared_service: Any, text: str
) -> None:
    for part in (b"[],", b"{},", b'{"[":[]},'):
        body = b'{"task":"bills","text":"x","lines":[' + part * (MOST_CONTAINERS + 1) + b"1]}"
        response = shared_service.client.post("/v1/extract", content=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid-json")
        assert f"more than {MOST_CONTAINERS}" in response.json()["error"]["message"]
    # Brackets in a text are none.
    body = json.dumps({"task": "bills", "text": text, "max_tier": "rules"}).encode()
    assert shared_service.client.post("/v1/extract", content=body).status_code == 200


def test_millions_of_mistakes_are_refused_at_the_first(shared_service: Any) -> None:
    many = 100_000
    wrong: list[tuple[str, Any]] = [
        ("the request", {f"key-{number}": 1 for number in range(many)}),
        ("lines.1", {"lines": [{}, {str(number): {} for number in range(many)}]}),
        ("lines.0", {"lines": [1] * many}),
        ("lines", {"lines": [{}] * many}),
        ("lines.0.box", {"lines": [{"box": ["x"] * many}]}),
        ("lines.0.box", {"lines": [{"box": [[1], ["x"] * many]}]}),
        ("fields.0", {"fields": [1] * many}),
    ]
    for key, found in wrong:
        response = shared_service.client.post("/v1/extract", json={"task": "bills", "text": "x", **found})
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (422, "invalid-request")
        assert error["message"].startswith(f"{key}: "), error
        assert len(error["detail"]["problems"]) <= 10


def test_json_nested_too_deep_is_refused(shared_service: Any) -> None:
    for depth, code in ((31, "invalid-request"), (40, "invalid-json"), (2000, "invalid-json")):
        value = b'{"lines":' + b"[" * depth + b"]" * depth + b"}"
        response = shared_service.client.post("/v1/extract", content=value)
        assert response.json()["error"]["code"] == code


def test_compressed_bodies_are_refused_by_name(shared_service: Any) -> None:
    response = shared_service.client.post("/v1/extract", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported-encoding")


# --- slow clients ---


def test_a_client_that_does_not_finish_its_headers_is_cut_off(serve: Any) -> None:
    service = serve(header_timeout=0.4)
    for start in (b"", b"GET /hea", b"\r\n"):
        with connected(service) as connection:
            connection.sendall(start)
            began = time.monotonic()
            assert closed(connection)
            assert time.monotonic() - began > 0.2


def test_line_ends_do_not_keep_a_connection_open(serve: Any) -> None:
    service = serve(header_timeout=0.5, keep_alive=60)
    with connected(service) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer(connection)
        assert cut_off_while_sending(connection, b"\r\n")


def test_a_client_that_does_not_finish_its_body_gets_an_error(serve: Any) -> None:
    service = serve(body_timeout=0.4)
    for length, sent in ((100, b"{"), (1_000_000, b"{" * 200_000)):
        with connected(service) as connection:
            connection.sendall(request(sent, length=length))
            status, headers, body = answer(connection)
            assert (status, body["error"]["code"]) == (408, "request-timeout")
            assert headers["connection"] == "close"
            assert closed(connection)


def test_a_body_that_nobody_reads_cannot_be_dragged_out(serve: Any) -> None:
    service = serve(body_timeout=0.5, keep_alive=60)
    with connected(service) as connection:
        connection.sendall(request(b"", path="/nowhere", length=1000))
        assert answer(connection)[0] == 404
        assert cut_off_while_sending(connection, b"x")


def test_an_idle_connection_is_closed(serve: Any) -> None:
    with connected(serve(keep_alive=1)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer(connection)
        assert closed(connection)


# --- more than there is room for ---


def test_beyond_the_places_requests_are_refused_at_once(serve: Any, scripted: Any, eventually: Any) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, max_requests=2)
    waiting = [threading.Thread(target=lambda: service.extract(BILL)) for _ in range(2)]
    for thread in waiting:
        thread.start()
    eventually(lambda: service.inference.depths["student"] == 2)
    refused = service.extract(BILL)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert service.sample("cascade_refused_total", code="overloaded") == 1
    # Neither a body on its way nor one that never comes is waited for.
    with connected(service) as connection:
        connection.sendall(request(b"{", length=1_000_000))
        assert answer(connection)[0] == 503
        assert closed(connection)
    assert service.client.get("/healthz").status_code == 200
    slow.gate.set()
    for thread in waiting:
        thread.join(10)
    assert service.extract(BILL).status_code == 200


def test_beyond_the_machine_s_places_too(serve: Any, scripted: Any, eventually: Any) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, max_requests_machine=1)
    first = threading.Thread(target=lambda: service.extract(BILL))
    first.start()
    eventually(lambda: service.inference.depths["student"] == 1)
    assert service.extract(BILL).json()["error"]["code"] == "overloaded"
    slow.gate.set()
    first.join(10)


def test_beyond_the_connections_they_are_refused_and_closed(serve: Any) -> None:
    service = serve(max_connections=3)
    service.client.get("/healthz")
    with connected(service), connected(service), connected(service) as last:
        status, headers, body = answer(last)
        assert (status, body["error"]["code"], headers["retry-after"]) == (503, "overloaded", "1")
        assert closed(last)
    assert service.client.get("/healthz").status_code == 200


# --- headers ---


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/tasks", "/metrics"])
def test_head_is_get_without_a_body(shared_service: Any, path: str) -> None:
    response = shared_service.client.head(path)
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0
    assert shared_service.client.head("/v1/extract").status_code == 405


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_returned_where_it_is_one(shared_service: Any) -> None:
    get: Callable[..., Any] = shared_service.client.get
    assert get("/healthz", headers={"traceparent": TRACE}).headers["traceparent"] == TRACE
    for wrong in ("", TRACE[:-1], TRACE.replace("00-", "ff-", 1), TRACE.upper(), f"00-{'0' * 32}-{'1' * 16}-01"):
        assert "traceparent" not in get("/healthz", headers={"traceparent": wrong}).headers


@pytest.mark.parametrize(
    ("header", "body", "setting"),
    [("100", None, 30_000), (None, 100, 30_000), ("9000", 100, 30_000), (None, None, 100)],
)
def test_the_shortest_deadline_counts(
    serve: Any, scripted: Any, header: str | None, body: float | None, setting: float
) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, deadline_ms=setting)
    response = service.client.post(
        "/v1/extract",
        json={"task": "bills", "text": BILL, "deadline_ms": body} if body else {"task": "bills", "text": BILL},
        headers={"X-Deadline-Ms": header} if header else {},
    )
    assert "deadline" in response.json()["unavailable"]["student"]
    assert response.json()["timing_ms"]["total"] < 15_000


@pytest.mark.parametrize("value", ["0", "-1", "soon", "1e3", "3600001", "", "९"])
def test_a_wrong_deadline_header_is_refused(shared_service: Any, value: str) -> None:
    response = shared_service.client.post("/v1/extract", content=BODY, headers={"X-Deadline-Ms": value.encode()})
    assert response.json()["error"]["code"] == "invalid-request"
    assert "X-Deadline-Ms" in response.json()["error"]["message"]
