"""Work that is cancelled once, however often its caller is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
#: Work that was given up and is putting things in order; the event loop itself holds its tasks only weakly.
_ending: set[asyncio.Task[Any]] = set()


async def cancelled_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which gets one cancellation and then all the turns it needs to end.

    A deadline that passes and a client that leaves at that moment cancel a task twice. The second cancellation strikes
    an HTTP client while it closes the connection because of the first: the connection would stay open, and the other
    side would go on working for nobody.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            task.cancel()
            _ending.add(task)
            task.add_done_callback(_ended)


def _ended(task: asyncio.Task[Any]) -> None:
    _ending.discard(task)
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
