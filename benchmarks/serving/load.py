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
from collections.abc import Callable, Sequence
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
    """All requests that were due after the warm-up; ``seconds`` is how long they were being answered, ``cpu_seconds``
    what the generator itself used."""

    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Connection(asyncio.Protocol):
    """One connection with at most one request under way; ``answered`` is called with its status and body."""

    def __init__(self, answered: Callable[[Connection, int, bytes], None]) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered = answered
        self._buffer = b""
        self._missing = -1
        self._body_at = 0
        self.usable = True
        self.waiting = False
        #: When the request under way was due.
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own does not derive from it

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at ``due``."""
        assert self._transport is not None
        self._buffer, self._missing, self.waiting, self.due = b"", -1, True, due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if self._missing < 0:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = buffer[:end].lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._body_at = end + 4
            self._missing = self._body_at + int(length or 0)
            self.usable = b"connection: close" not in head
        if len(buffer) >= self._missing:
            self._end(int(buffer[9:12]), buffer[self._body_at : self._missing])

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self.usable = False
        self._end(LOST, b"")

    def give_up(self) -> None:
        """Wait no longer."""
        self.close()
        self._end(LATE, b"")

    def close(self) -> None:
        """Close it."""
        self.usable = False
        if self._transport is not None:
            self._transport.close()

    def _end(self, status: int, body: bytes) -> None:
        if self.waiting:
            self.waiting = False
            self._answered(self, status, body)


class Generator:
    """Carries out one plan. Use :meth:`run`. No task, future or timer is made for a request."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._requests = [_request(plan, body) for body in plan.bodies]
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._started = 0.0
        self._next = 0.0
        self._end = 0.0
        self._done = asyncio.Event()
        self.result = Result()

    async def run(self) -> Result:
        """Send everything; the result."""
        loop = asyncio.get_running_loop()
        self._started = self._next = time.perf_counter()
        self._end = self._started + self._plan.warm_up + self._plan.seconds
        watching = loop.create_task(self._watch())
        if self._plan.rate is None:
            for _ in range(self._plan.connections):
                self._open(self._started)
        else:
            self._tick(loop)
        await self._done.wait()
        watching.cancel()
        self.result.seconds = time.perf_counter() - self._started - self._plan.warm_up
        for connection in self._all:
            connection.close()
        return self.result

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send all that is due by now in an open loop; come back when the next is."""
        assert self._plan.rate is not None
        now = time.perf_counter()
        while self._next <= now and self._next < self._end:
            self._send(self._next)
            self._next += self._random.expovariate(self._plan.rate)
        if self._next < self._end:
            loop.call_later(max(0.0, self._next - time.perf_counter()), self._tick, loop)

    def _send(self, due: float) -> None:
        while self._idle:
            connection = self._idle.pop()  # the warmest; those at the other end fall out of use
            if connection.usable:
                connection.send(self._random.choice(self._requests), due)
                return
            self._all.discard(connection)
        if len(self._all) + len(self._opening) < self._plan.most_connections:
            self._open(due)
        else:
            self._record(due, REFUSED, b"")

    def _open(self, due: float) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(due))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, due: float) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._answered), self._plan.host, self._plan.port
            )
        except OSError:
            self._record(due, REFUSED, b"")
            if self._plan.rate is None:
                await asyncio.sleep(0.01)
                self._again()
            return
        self._all.add(connection)
        connection.send(self._random.choice(self._requests), due)

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        self._record(connection.due, status, body)
        if not connection.usable:
            self._all.discard(connection)
            connection.close()
            if self._plan.rate is None:
                self._again()
        elif self._plan.rate is not None:
            self._idle.append(connection)
        elif (now := time.perf_counter()) < self._end:
            connection.send(self._random.choice(self._requests), now)

    def _again(self) -> None:
        """In a closed loop, another connection in the place of one that ended."""
        if (now := time.perf_counter()) < self._end:
            self._open(now)

    def _record(self, due: float, status: int, body: bytes) -> None:
        if due - self._started >= self._plan.warm_up:
            degraded = b'"status":"degraded"' in body
            self.result.samples.append(Sample(due - self._started, time.perf_counter() - due, status, degraded))

    async def _watch(self) -> None:
        """Give up what takes too long, and notice when all is done."""
        while True:
            await asyncio.sleep(0.02)
            now = time.perf_counter()
            waiting = [connection for connection in self._all if connection.waiting]
            for connection in waiting:
                if now - connection.due > self._plan.timeout:
                    connection.give_up()
            if not waiting and not self._opening and now >= self._end:
                self._done.set()
                return


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
    before = time.process_time()
    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(_carry_out(plan))
    cpu = time.process_time() - before
    samples = [list(asdict(sample).values()) for sample in result.samples]
    json.dump({"samples": samples, "seconds": result.seconds, "cpu_seconds": cpu}, sys.stdout)


async def _carry_out(plan: Plan) -> Result:
    return await Generator(plan).run()


if __name__ == "__main__":
    main()
