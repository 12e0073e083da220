from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from gateway.document import Document, TierOutput
from gateway.errors import ModelCorrupt, TierUnavailable, UnknownTask
from gateway.inference.batching import Limits

BILL = [Document("bill")]


def test_a_tier_answers_on_its_own_thread(local: Any, echo: Any) -> None:
    student, large = echo("student", "s1"), echo("large", "l1")
    inference = local(student, large)

    async def ask() -> None:
        for tier in ("student", "large"):
            (output,) = await inference.propose("bills", tier, BILL, ["shop"])
            assert output.proposals["shop"].candidates[0].source == tier
        await inference.close()

    asyncio.run(ask())
    assert len(student.threads) == len(large.threads) == 1
    assert not student.threads & large.threads
    assert threading.current_thread().name not in student.threads


def test_the_student_does_not_wait_behind_the_large_tier(local: Any, echo: Any) -> None:
    large = echo("large", "l1", gate=threading.Event())
    inference = local(echo("student", "s1"), large)

    async def ask() -> None:
        slow = asyncio.create_task(inference.propose("bills", "large", BILL, ["shop"]))
        await asyncio.sleep(0)
        await asyncio.wait_for(inference.propose("bills", "student", BILL, ["shop"]), 10)
        assert not slow.done()
        large.gate.set()
        await slow

    asyncio.run(ask())


def test_beyond_its_queue_a_tier_is_busy(local: Any, echo: Any, told: Any) -> None:
    student = echo("student", "s1", gate=threading.Event())
    inference = local(student, limits=Limits(2), listener=told)

    async def ask() -> None:
        waiting = [asyncio.create_task(inference.propose("bills", "student", BILL, ["shop"])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TierUnavailable, match="student is busy"):
            await inference.propose("bills", "student", BILL, ["shop"])
        student.gate.set()
        await asyncio.gather(*waiting)

    asyncio.run(ask())
    assert inference.depths == {"student": 0, "large": 0}
    assert told.depths[:2] == [("student", 1), ("student", 2)]
    assert told.depths[-1] == ("student", 0)
    assert sum(told.batches) == 2
    assert told.refused == [("student", "full")]


def test_cancelled_work_is_never_begun(local: Any, echo: Any, eventually: Any) -> None:
    student = echo("student", "s1", gate=threading.Event())
    inference = local(student)

    async def ask() -> None:
        first = asyncio.create_task(inference.propose("bills", "student", [Document("first")], ["shop"]))
        await asyncio.to_thread(eventually, lambda: student.calls == ["first"])
        second = asyncio.create_task(inference.propose("bills", "student", [Document("second")], ["shop"]))
        await asyncio.sleep(0)
        assert inference.depths["student"] == 2
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert inference.depths["student"] == 1
        student.gate.set()
        await first

    asyncio.run(ask())
    assert student.calls == ["first"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("the document said: my secret"), "student failed (RuntimeError)"),
        (ModelCorrupt("weights are damaged"), "student: weights are damaged"),
    ],
)
def test_whatever_a_model_raises_the_tier_is_unavailable(local: Any, echo: Any, error: Exception, message: str) -> None:
    inference = local(echo("student", "s1", error=error))
    with pytest.raises(TierUnavailable) as raised:
        asyncio.run(inference.propose("bills", "student", BILL, ["shop"]))
    assert raised.value.message == message


def test_what_is_not_there_says_why(local: Any, echo: Any) -> None:
    inference = local(echo("student", "s1"))
    status = asyncio.run(inference.status("bills"))
    assert status["student"].available
    assert (status["large"].available, status["large"].problem) == (False, "no large here")
    with pytest.raises(TierUnavailable, match="no large here"):
        asyncio.run(inference.propose("bills", "large", BILL, ["shop"]))
    with pytest.raises(TierUnavailable, match="has no rules tier"):
        asyncio.run(inference.propose("bills", "rules", BILL, ["shop"]))
    with pytest.raises(UnknownTask):
        asyncio.run(inference.status("other"))


def test_a_tier_that_waits_for_others_runs_on_the_event_loop_within_the_same_bound(local: Any) -> None:
    class Elsewhere:
        name, version, mode = "large", "l1", "remote"

        def __init__(self) -> None:
            self.deadlines: list[float | None] = []
            self.threads: set[str] = set()
            self.answer = asyncio.Event()
            self.closed = False

        async def propose(self, documents: Any, fields: Any, *, deadline: float | None = None) -> list[TierOutput]:
            self.deadlines.append(deadline)
            self.threads.add(threading.current_thread().name)
            await self.answer.wait()
            return [TierOutput() for _ in documents]

        async def close(self) -> None:
            self.closed = True

    async def ask() -> None:
        large = Elsewhere()
        inference = local(large, limits=Limits(2))
        calls = [
            asyncio.create_task(inference.propose("bills", "large", BILL, ["shop"], deadline=2.5)) for _ in range(2)
        ]
        await asyncio.sleep(0.01)
        assert inference.depths["large"] == 2
        with pytest.raises(TierUnavailable, match="large has others before it: 2"):
            await inference.propose("bills", "large", BILL, ["shop"], most_before=1)
        with pytest.raises(TierUnavailable, match="large is busy"):
            await inference.propose("bills", "large", BILL, ["shop"])
        calls[1].cancel()
        large.answer.set()
        assert await calls[0] == [TierOutput()]
        await asyncio.sleep(0)
        assert inference.depths["large"] == 0
        assert large.deadlines == [2.5, 2.5]
        assert large.threads == {threading.current_thread().name}
        await inference.close()
        assert large.closed

    asyncio.run(ask())
