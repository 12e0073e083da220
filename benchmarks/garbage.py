"""A great number of requests of mixed garbage against a real server: no 5xx, every error in the one shape, no growth.

    python benchmarks/garbage.py --requests 100000 --out benchmarks/results/garbage.json

Kinds of garbage are mixed by a seeded generator: bytes that are no HTTP, HTTP that is malformed, wrong methods and
paths, bodies that are no JSON, JSON that is no request, requests with wrong values, batches with broken lines, bodies
too large, bodies cut off, and requests that are good. Memory, file descriptors and threads of the server's process are
read after a warm-up and at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from gateway.errors import all_errors
from gateway.files import write_text

CODES = {error.code: error.status for error in all_errors()}
TASK = "task: bills\ntiers: [rules]\nfields:\n  shop: {type: text}\n  total: {type: money}\n"
RULES = """\
field: total
rules:
  - {id: after-total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}
"""
SETTINGS = {
    "CASCADE_LARGE": "off",
    "CASCADE_MAX_BODY_BYTES": "65536",
    "CASCADE_MAX_BATCH_BYTES": "65536",
    "CASCADE_MAX_BATCH_DOCUMENTS": "20",
    "CASCADE_MAX_HEADER_BYTES": "8192",
    "CASCADE_BODY_TIMEOUT": "0.3",
    "CASCADE_HEADER_TIMEOUT": "0.3",
    "CASCADE_LOG_LEVEL": "warning",
    "CASCADE_CACHE_BYTES": "1000000",
}
GROWTH_LIMIT_MB = 16.0


def scrap(chance: random.Random, size: int = 60) -> bytes:
    return chance.randbytes(chance.randrange(1, size))


def words(chance: random.Random) -> str:
    alphabet = string.printable + "é€\U0001f9fe\u202e\x00"
    return "".join(chance.choices(alphabet, k=chance.randrange(0, 80)))


def value(chance: random.Random, depth: int = 0) -> object:
    plain: list[Callable[[], object]] = [
        lambda: None,
        lambda: chance.random() < 0.5,
        lambda: chance.randrange(-(10**6), 10**6),
        lambda: chance.choice([1e308, -0.0, float("nan"), float("inf"), 0.9]),
        lambda: words(chance),
        lambda: 10**400,
    ]
    if depth < 4 and chance.random() < 0.3:
        if chance.random() < 0.5:
            return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
        return {words(chance)[:9]: value(chance, depth + 1) for _ in range(chance.randrange(4))}
    return chance.choice(plain)()


KEYS = ("task", "text", "id", "fields", "quality", "strict_quality", "max_tier", "budget", "deadline_ms", "context")


def document(chance: random.Random) -> dict[str, object]:
    found: dict[str, object] = {"task": "bills", "text": f"TOTAL {chance.randrange(99)}.00 {words(chance)}"}
    for _ in range(chance.randrange(3)):
        found[chance.choice([*KEYS, "lines", "locale", "reference_date", "explain", words(chance)])] = value(chance)
    return found


def post(body: bytes, path: str = "/v1/extract", *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def good(chance: random.Random) -> bytes:
    return post(json.dumps({"task": "bills", "text": f"TOTAL {chance.randrange(10**6)}.00"}).encode())


def wrong_values(chance: random.Random) -> bytes:
    return post(json.dumps(document(chance)).encode())


def any_json(chance: random.Random) -> bytes:
    return post(json.dumps(value(chance)).encode(), chance.choice(["/v1/extract", "/v1/extract/batch"]))


def no_json(chance: random.Random) -> bytes:
    body = chance.choice(
        [scrap(chance, 400), b"[" * 3000, b'{"a":' * 900, b'"\xed\xa0\x80"', b'"\\ud800"', b"\xef\xbb\xbf{"]
    )
    return post(body)


def batch(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        documents = [document(chance) if chance.random() < 0.7 else value(chance) for _ in range(chance.randrange(25))]
        return post(json.dumps({"documents": documents}).encode(), "/v1/extract/batch")
    lines = [json.dumps(document(chance)).encode() if chance.random() < 0.7 else scrap(chance) for _ in range(6)]
    query = chance.choice(["", "?task=bills", "?ordered=true", "?ordered=1", f"?{chance.randrange(9)}"])
    return post(b"\n".join(lines), f"/v1/extract/batch{query}", "Content-Type: application/x-ndjson")


def paths(chance: random.Random) -> bytes:
    method = chance.choice(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW", "CONNECT"])
    path = chance.choice(
        [
            "/",
            "*",
            "//",
            "/%",
            "/%00",
            "/v1/tasks/%2e%2e",
            "/v1/tasks/bills",
            "/healthz",
            "/readyz",
            "/v1/extract",
            "/docs",
        ]
    )
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def malformed(chance: random.Random) -> bytes:
    return chance.choice(
        [
            scrap(chance, 300),
            b"GET / HTTP/1.1\r\n" + scrap(chance) + b"\r\n\r\n",
            b"POST /v1/extract HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + scrap(chance),
            b"POST /v1/extract HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            b"GET /" + b"a" * chance.randrange(20_000) + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * chance.randrange(3000) + b"\r\n",
        ]
    )


def headers(chance: random.Random) -> bytes:
    name = chance.choice(
        ["X-Deadline-Ms", "traceparent", "X-Request-Id", "Content-Encoding", "Authorization", "Expect"]
    )
    text = "".join(chance.choices(string.printable[:95], k=chance.randrange(40)))
    return post(b'{"task": "bills", "text": "TOTAL 1.00"}', "/v1/extract", f"{name}: {text}")


def too_large(chance: random.Random) -> bytes:
    return post(b'{"text": "' + b"x" * chance.randrange(65_536, 300_000), chance.choice(["/v1/extract", "/nowhere"]))


def cut_off(chance: random.Random) -> bytes:
    return post(scrap(chance), length=chance.randrange(100, 10**7))


KINDS: dict[Callable[[random.Random], bytes], int] = {
    good: 15,
    wrong_values: 25,
    any_json: 12,
    no_json: 12,
    batch: 6,
    paths: 12,
    malformed: 10,
    headers: 6,
    too_large: 1,
    cut_off: 1,
}


class Client:
    """One connection, opened again whenever the server has ended it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: socket.socket | None = None

    def exchange(self, sent: bytes, *, leave: bool) -> tuple[int, bytes]:
        """Send and read one answer: its status (0 where none came) and body. ``leave``: go without waiting for it."""
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
        try:
            self._connection.sendall(sent)
            if leave:
                self.close()
                return 0, b""
            return self._read(head=sent.startswith(b"HEAD "))
        except (BrokenPipeError, ConnectionResetError):
            self.close()
            return 0, b""

    def _read(self, *, head: bool) -> tuple[int, bytes]:
        assert self._connection is not None
        received = b""
        while b"\r\n\r\n" not in received:
            part = self._connection.recv(65536)
            if not part:
                self.close()
                return 0, received
            received += part
        start, _, body = received.partition(b"\r\n\r\n")
        lines = start.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        if fields.get(b"transfer-encoding") == b"chunked" and not head:
            while not body.endswith(b"0\r\n\r\n"):
                part = self._connection.recv(65536)
                assert part, "a streamed answer was cut off"
                body += part
        elif not head:
            while len(body) < int(fields[b"content-length"]):
                part = self._connection.recv(65536)
                assert part, "an answer was cut off"
                body += part
        if fields.get(b"connection") == b"close":
            self.close()
        return int(lines[0].split()[1]), body

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def resources(process_id: int) -> dict[str, float]:
    """Resident memory, file descriptors and threads of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process_id}/status").read_text().splitlines())
    return {
        "memory_mb": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "file_descriptors": len(os.listdir(f"/proc/{process_id}/fd")),
        "threads": int(status["Threads"]),
    }


def settle(process_id: int, before: int) -> dict[str, float]:
    """The resources once connections that were left have been noticed."""
    deadline = time.monotonic() + 10
    while (found := resources(process_id))["file_descriptors"] > before and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def send(client: Client, chance: random.Random, requests: int, seen: Counter[str], bad: list[str]) -> None:
    kinds, weights = list(KINDS), list(KINDS.values())
    for _ in range(requests):
        kind = chance.choices(kinds, weights)[0]
        sent = kind(chance)
        try:
            status, body = client.exchange(sent, leave=kind is cut_off and chance.random() < 0.8)
        except TimeoutError:
            # What the client thinks is whole and HTTP does not: it waits for more, and is cut off.
            client.close()
            status, body = 0, b""
        seen[f"{kind.__name__} {status}"] += 1
        if problem := wrong(status, body):
            bad.append(f"{kind.__name__}: {problem}: {sent[:200]!r} -> {body[:200]!r}")
            if len(bad) > 20:
                return


def wrong(status: int, body: bytes) -> str | None:
    """What is wrong with an answer, if anything."""
    if status >= 500:
        return f"status {status}"
    if status >= 400 and body:
        try:
            error = json.loads(body)["error"]
            if set(error) - {"code", "message", "detail"} or CODES[error["code"]] != status:
                return "not the one shape"
        except (ValueError, KeyError, TypeError):
            return "not the one shape"
    return None


def run(requests: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="garbage-") as directory:
        rules = Path(directory) / "rules" / "bills"
        rules.mkdir(parents=True)
        (rules / "task.yaml").write_text(TASK)
        (rules / "total.yaml").write_text(RULES)
        command = [sys.executable, "-m", "gateway", "--home", directory, "serve", "--port", "0"]
        log = Path(directory) / "log"
        with log.open("wb") as err:
            environment = {**os.environ, **SETTINGS, "PYTHONUNBUFFERED": "1"}
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, env=environment, text=True)
        try:
            assert server.stdout is not None
            serving = next(line for line in server.stdout if line.startswith("serving http://"))
            client = Client(int(serving.split()[1].rpartition(":")[2]))
            seen: Counter[str] = Counter()
            bad: list[str] = []
            send(client, chance, max(200, requests // 10), Counter(), bad)
            client.close()
            time.sleep(1)
            before = resources(server.pid)
            started = time.perf_counter()
            send(client, chance, requests, seen, bad)
            seconds = time.perf_counter() - started
            client.close()
            after = settle(server.pid, int(before["file_descriptors"]))
            unexpected = sum("unexpected error" in line for line in log.read_text("utf-8", "replace").splitlines())
        finally:
            server.terminate()
            code = server.wait(30)
    growth = round(after["memory_mb"] - before["memory_mb"], 1)
    passed = (
        not bad
        and not unexpected
        and code == 0
        and growth < GROWTH_LIMIT_MB
        and after["file_descriptors"] <= before["file_descriptors"]
    )
    return {
        "passed": passed,
        "requests": sum(seen.values()),
        "statuses": dict(sorted(Counter(key.split()[1] for key in seen.elements()).items())),
        "kinds": dict(sorted(seen.items())),
        "bad": bad,
        "unexpected_errors_logged": unexpected,
        "exit_code": code,
        "before": before,
        "after": after,
        "growth_mb": growth,
        "seconds": round(seconds, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = {
        "command": "python benchmarks/garbage.py " + " ".join(sys.argv[1:]),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("uvicorn", "httptools", "fastapi", "pydantic", "orjson")},
        "seed": arguments.seed,
        **run(arguments.requests, arguments.seed),
    }
    text = json.dumps(result, indent=2) + "\n"
    if arguments.out is not None:
        write_text(arguments.out, text)
    print(text, end="")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
