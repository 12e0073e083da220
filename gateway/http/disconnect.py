"""Giving up work whose client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")
#: Work that ends sooner is not watched: two tasks more would cost more than they are worth.
_PATIENCE_SECONDS = 0.01


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled should the client leave. The request's body must have been read.

    Raises:
        ClientDisconnect: the client left first.
    """
    working = asyncio.current_task()
    assert working is not None
    watch = _Watch(receive, working)
    handle = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, watch.start)
    try:
        return await work
    except asyncio.CancelledError:
        # Whoever else cancels this task meant something else by it.
        if watch.left and working.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        handle.cancel()
        watch.stop()


class _Watch:
    """Cancels a task when the client leaves."""

    def __init__(self, receive: Receive, working: asyncio.Task[Any]) -> None:
        self._receive = receive
        self._working = working
        self._watching: asyncio.Task[None] | None = None
        self.left = False

    def start(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._working.cancel()
