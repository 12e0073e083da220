"""A chat completions server over loopback that does what a test tells it to, down to the bytes on the wire.

It runs in a thread of its own with its own event loop. Each request takes the next behaviour of ``script``, and
``then`` when that is empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw)

    @property
    def prompt(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])


Behaviour = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FaultyServer:
    """Use as a context manager; ``stop`` and ``start`` keep the port."""

    then: Behaviour
    script: deque[Behaviour] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    left: list[Received] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    port: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        self._run(self._start())

    def stop(self) -> None:
        """Refuse connections, and break those that are open."""
        self._run(self._stop())

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            raw = await reader.readexactly(int(headers.get("content-length", "0")))
            request = Received(method, path, headers, raw)
            self.received.append(request)
            behaviour = self.script.popleft() if self.script else self.then
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            answering = asyncio.ensure_future(behaviour(request, writer))
            leaving = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    self.left.append(request)
                    return
                await answering
            finally:
                self.under_way -= 1
                answering.cancel()
                leaving.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await leaving
            if writer.is_closing():
                return


def head(status: int, length: int | None, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append(f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def says(status: int, body: bytes, **headers: str) -> Behaviour:
    """Answer with exactly this."""

    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, len(body), **headers) + body)
        await writer.drain()

    return answer


def completion(
    content: str | None,
    *,
    usage: Any = "counted",
    logprobs: Any = None,
    finish_reason: str = "stop",
) -> bytes:
    """The body of a chat completion."""
    said: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": finish_reason,
                "logprobs": logprobs,
            }
        ],
    }
    if usage is not None:
        said["usage"] = {"prompt_tokens": 100, "completion_tokens": 20} if usage == "counted" else usage
    return json.dumps(said).encode()


def fields(**values: Any) -> Behaviour:
    """Answer with these fields."""
    return says(200, completion(json.dumps(values)))


def tokens(content: str, probabilities: dict[str, float]) -> dict[str, Any]:
    """Log-probabilities of a content, one token a character; ``probabilities`` by substring, else 1."""
    import math

    logprobs = [0.0] * len(content)
    for part, probability in probabilities.items():
        start = content.index(part)
        logprobs[start : start + len(part)] = [math.log(probability)] * len(part)
    return {"content": [{"token": char, "logprob": value} for char, value in zip(content, logprobs, strict=True)]}


def after(seconds: float, behaviour: Behaviour) -> Behaviour:
    async def wait(request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await behaviour(request, writer)

    return wait


async def stall(_request: Received, _writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.sleep(3600)


async def reset(_request: Received, writer: asyncio.StreamWriter) -> None:
    """Break the connection with a reset."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half_body(_request: Received, writer: asyncio.StreamWriter) -> None:
    """Promise more bytes than come."""
    body = completion('{"total": "9.00"}')
    writer.write(head(200, len(body) + 100) + body)
    await writer.drain()
    writer.close()


async def half_head(_request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    await writer.drain()
    writer.close()


async def trickle(_request: Received, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, without an end."""
    writer.write(head(200, 10_000_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(_request: Received, writer: asyncio.StreamWriter) -> None:
    """More and more, as fast as it is taken."""
    writer.write(head(200, None, transfer_encoding="chunked"))
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


async def no_http(_request: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    await writer.drain()
    writer.close()


def forward(base: str) -> Behaviour:
    """Pass the request on to a real server."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        url = base.removesuffix("/v1") + request.path
        try:
            async with httpx.AsyncClient(timeout=300, trust_env=False) as client:
                response = await client.request(
                    request.method, url, content=request.raw, headers={"content-type": "application/json"}
                )
        except httpx.TransportError:
            await reset(request, writer)  # as its own server would look
            return
        await says(response.status_code, response.content)(request, writer)

    return answer
