"""Clean-up after a cancellation is not cut short by another one."""

from __future__ import annotations

import asyncio

import pytest

from gateway.cancellation import cancelled_once


async def work(said: list[str], turns: int) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        for _ in range(turns):
            await asyncio.sleep(0)
        said.append("in order")


def test_a_second_cancellation_does_not_reach_the_work() -> None:
    async def run() -> list[str]:
        said: list[str] = []
        task = asyncio.create_task(cancelled_once(work(said, 5)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        return said

    assert asyncio.run(run()) == ["in order"]


def test_a_deadline_ends_it() -> None:
    async def run() -> list[str]:
        said: list[str] = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await cancelled_once(work(said, 3))
        await asyncio.sleep(0.05)
        return said

    assert asyncio.run(run()) == ["in order"]


def test_results_and_errors_pass() -> None:
    async def gives() -> int:
        return 3

    async def fails() -> int:
        raise KeyError("x")

    assert asyncio.run(cancelled_once(gives())) == 3
    with pytest.raises(KeyError):
        asyncio.run(cancelled_once(fails()))
