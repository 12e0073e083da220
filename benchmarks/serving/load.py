"""A load generator light enough to share a small machine with what it measures.

It speaks just enough HTTP/1.1 for JSON requests, on raw asyncio protocols with prepared bytes. In an *open* loop
requests are due at random moments of a given mean rate, whatever the service does, and latency counts from the moment a
request was due: a service that stalls is charged for every request that would have come meanwhile (no coordinated
omission). In a *closed* loop each connection sends its next request when it has its answer, which finds the most a
service can do.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

#: What became of a request: the HTTP status, or one of these.
REFUSED, LOST, LATE = 0, -1, -2


@dataclass(frozen=True)
class Plan:
    """What to send where. ``rate`` in requests per second makes the loop open; otherwise ``connections`` close it."""

    host: str
    port: int
    bodies: Sequence[str]
    seconds: float
    rate: float | None = None
    connections: int = 8
    most_connections: int = 512
    path: str = "/v1/extract"
    timeout: float = 30.0
    seed: int = 1
    warm_up: float = 0.0


@dataclass
class Sample:
    """One request: seconds from when it was due, what became of it, and which tiers answered it."""

    due: float
    latency: float
    status: int
    degraded: bool = False


@dataclass
class Result:
    """All requests that were due after the warm-up; ``seconds`` is how long they were being answered."""

    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0


class Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._buffer = bytearray()
        self._missing = -1
        self._body_at = 0
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own does not derive from it

    def send(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Status and body of the answer; ``ConnectionError`` where the connection ends before it."""
        assert self.transport is not None
        self._buffer.clear()
        self._missing = -1
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._buffer += data
        if self._missing < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._body_at = end + 4
            self._missing = self._body_at + int(length or 0)
            self.usable = b"connection: close" not in head
        if len(self._buffer) >= self._missing and self._answer is not None and not self._answer.done():
            status = int(self._buffer[9:12])
            self._answer.set_result((status, bytes(self._buffer[self._body_at : self._missing])))

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the answer"))

    def close(self) -> None:
        """Close it."""
        self.usable = False
        if self.transport is not None:
            self.transport.close()


class Generator:
    """Carries out one plan. Use :meth:`run`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._requests = [_request(plan, body) for body in plan.bodies]
        self._idle: deque[Connection] = deque()
        self._open = 0
        self.result = Result()

    async def run(self) -> Result:
        """Send everything; the result."""
        started = time.perf_counter()
        if self._plan.rate is None:
            until = started + self._plan.warm_up + self._plan.seconds
            await asyncio.gather(*(self._close_loop(started, until) for _ in range(self._plan.connections)))
        else:
            await self._open_loop(started)
        self.result.seconds = time.perf_counter() - started - self._plan.warm_up
        for connection in self._idle:
            connection.close()
        return self.result

    async def _close_loop(self, started: float, until: float) -> None:
        while (now := time.perf_counter()) < until:
            if not await self._one(started, now):
                await asyncio.sleep(0.01)

    async def _open_loop(self, started: float) -> None:
        assert self._plan.rate is not None
        running: set[asyncio.Task[bool]] = set()
        due, end = started, started + self._plan.warm_up + self._plan.seconds
        while (due := due + self._random.expovariate(self._plan.rate)) < end:
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            task = asyncio.create_task(self._one(started, due))
            running.add(task)
            task.add_done_callback(running.discard)
        if running:
            await asyncio.wait(running)

    async def _one(self, started: float, due: float) -> bool:
        status, body = REFUSED, b""
        request = self._random.choice(self._requests)
        try:
            connection = await self._connection()
        except OSError:
            connection = None
        if connection is not None:
            try:
                async with asyncio.timeout(self._plan.timeout):
                    status, body = await connection.send(request)
            except TimeoutError:
                status = LATE
                connection.close()
            except ConnectionError:
                status = LOST
            self._give_back(connection)
        if due - started >= self._plan.warm_up:
            degraded = b'"status":"degraded"' in body
            self.result.samples.append(Sample(due - started, time.perf_counter() - due, status, degraded))
        return status > 0

    async def _connection(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()  # the warmest; those at the other end fall out of use
            if connection.usable:
                return connection
            self._open -= 1
        if self._open >= self._plan.most_connections:
            return None
        self._open += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, self._plan.host, self._plan.port
            )
        except OSError:
            self._open -= 1
            raise
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.usable:
            self._idle.append(connection)
        else:
            self._open -= 1
            connection.close()


def _request(plan: Plan, body: str) -> bytes:
    content = body.encode()
    head = (
        f"POST {plan.path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode("ascii") + content


def main() -> None:
    """Read a plan as JSON from standard input; write a line when the load begins, and the result as JSON in another."""
    import gc

    plan = Plan(**json.load(sys.stdin))
    gc.disable()  # a pause of the generator's would be counted as the service's
    try:
        import uvloop

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    print("begun", flush=True)
    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(Generator(plan).run())
    cpu = time.process_time()
    samples = [list(asdict(sample).values()) for sample in result.samples]
    json.dump({"samples": samples, "seconds": result.seconds, "cpu_seconds": cpu}, sys.stdout)


if __name__ == "__main__":
    main()
