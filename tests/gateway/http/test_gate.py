"""Before the application is open, and while the service ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.responses import PlainTextResponse

from gateway.errors import ConfigurationError
from gateway.http.gate import Gate


async def inner(scope, receive, send):
    await PlainTextResponse("inside")(scope, receive, send)


def client(gate: Gate) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://gate")


def test_it_says_what_state_it_is_in() -> None:
    opened, may_open, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await may_open.wait()
        opened.set()
        yield
        closed.set()

    async def main() -> None:
        gate = Gate(inner, lifespan)
        running = asyncio.create_task(gate.run())
        async with client(gate) as asking:
            assert (await asking.get("/healthz")).json() == {"status": "ok"}
            for path in ("/readyz", "/v1/tasks"):
                refused = await asking.get(path)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not-ready")
                assert refused.json()["error"]["detail"] == {"status": "loading"}
                assert int(refused.headers["Retry-After"]) > 0

            may_open.set()
            await opened.wait()
            await asyncio.sleep(0)
            for path in ("/healthz", "/readyz", "/v1/tasks"):
                assert (await asking.get(path)).text == "inside"

            gate.drain()
            refused = await asking.get("/readyz")
            assert (refused.status_code, refused.json()["error"]["detail"]) == (503, {"status": "draining"})
            answer = await asking.get("/v1/tasks")
            assert (answer.text, answer.headers["Connection"]) == ("inside", "close")
        assert not closed.is_set()
        gate.close()
        await running
        assert closed.is_set()

    asyncio.run(main())


def test_what_keeps_it_from_opening_comes_out() -> None:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        raise ConfigurationError("a file is wrong")
        yield

    with pytest.raises(ConfigurationError, match="a file is wrong"):
        asyncio.run(Gate(inner, lifespan).run())
