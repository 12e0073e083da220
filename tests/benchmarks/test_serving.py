"""The load generator tells the truth about a server whose behaviour is known."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from benchmarks.serving.load import LATE, LOST, REFUSED, Generator, Plan, Result, Sample
from benchmarks.serving.mixes import Pools
from benchmarks.serving.summary import figures, median_of, percentile

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"status":"complete"}'
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


def load(handler: Handler, **options: object) -> Result:
    async def main() -> Result:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            plan = Plan("127.0.0.1", port, ["{}", '{"text": "é"}'], **options)  # type: ignore[arg-type]
            return await Generator(plan).run()

    return asyncio.run(main())


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            assert await read_request(reader) in (b"{}", '{"text": "é"}'.encode())
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        writer.close()  # the client has gone, or the test is over


def statuses(result: Result) -> Counter[int]:
    return Counter(sample.status for sample in result.samples)


def test_closed_and_open_loops_count_every_answer() -> None:
    closed = load(answering, seconds=0.3, connections=2)
    assert set(statuses(closed)) == {200}
    opened = load(answering, seconds=1.0, rate=100.0)
    assert set(statuses(opened)) == {200}
    assert 60 < len(opened.samples) < 140  # Poisson: four standard deviations


def test_a_stall_is_charged_to_all_who_came_meanwhile() -> None:
    stalled = []

    async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not stalled:
            stalled.append(True)
            time.sleep(0.5)  # the whole server stands still, and the generator with it
        await answering(reader, writer)

    result = load(stalling, seconds=1.0, rate=100.0)
    slow = [sample for sample in result.samples if sample.latency > 0.1]
    assert len(slow) > 20, "requests that were due during the stall must have waited for its end"


def test_what_has_no_answer_is_told_apart() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()
        writer.close()

    assert set(statuses(load(closing, seconds=0.1, connections=1))) == {LOST}
    assert set(statuses(load(silent, seconds=0.1, connections=1, timeout=0.1))) == {LATE}

    async def nobody() -> Result:
        return await Generator(Plan("127.0.0.1", 1, ["{}"], 0.05, connections=1)).run()

    assert set(statuses(asyncio.run(nobody()))) == {REFUSED}


def test_figures() -> None:
    samples = [Sample(0.0, latency / 1000, 200) for latency in range(1, 101)]
    samples += [Sample(0.0, 0.002, 503), Sample(0.0, 0.004, 200, degraded=True), Sample(0.0, 1.0, LOST)]
    found = figures(Result(samples, 10.0))
    assert found["answered_per_second"] == 10.0
    assert found["latency_ms"] == {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 100.0}
    assert found["statuses"] == {"200": 101, "503": 1, "lost": 1}
    assert found["refused_ms"] == {"p50": 2.0, "p90": 2.0, "p99": 2.0}
    assert found["degraded_ms"] == {"p50": 4.0, "p90": 4.0, "p99": 4.0}
    assert "generator_cpu" not in found
    assert figures(Result(samples, 10.0, 5.0))["generator_cpu"] == 0.5
    assert percentile([3.0], 0.99) == 3.0
    middle = median_of([{"answered_per_second": rate} for rate in (3.0, 1.0, 2.0)])
    assert middle == {"answered_per_second": 2.0, "rounds": 3, "range_per_second": [1.0, 3.0]}


def test_a_mix_holds_the_share_asked_for() -> None:
    pools = Pools(["r"], ["s"], ["l"], {})
    assert pools.mix(0.05).count("l") == 20
    assert set(pools.mix(0.0)) == {"r", "s"}
    assert set(pools.mix(1.0)) == {"l"}
    with pytest.raises(ValueError, match="take more of them"):
        Pools(["r"], [], [], {}).mix(0.05)
