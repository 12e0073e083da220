from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.document import Candidate, Document, Proposal, TierOutput, Work
from gateway.errors import TierUnavailable
from gateway.inference import wire
from gateway.inference.base import FAILED, OUT, Inference, TierStatus
from gateway.inference.batching import BUSY, FULL, Limits
from gateway.inference.remote import RemoteInference, board_path
from gateway.inference.server import inference_server
from gateway.shared.queues import QueueBoard
from gateway.task import CallPrice


@pytest.fixture
def socket_path() -> Iterator[Path]:
    # Not under pytest's directory: a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="cascade-test-") as directory:
        yield Path(directory) / "inference.sock"


@contextmanager
def serving(inference: Inference, socket_path: Path, eventually: Callable[..., None]) -> Iterator[None]:
    server = inference_server(inference, socket_path, shutdown_timeout=5)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join(20)


def test_over_the_socket_a_tier_answers_as_it_does_here(
    local: Any, echo: Any, socket_path: Path, eventually: Any
) -> None:
    inference = local(echo("student", "s1"))
    documents = [
        Document("caf\u00e9 \U0001f9fe\n\x00 \ud800", "id", "context", ({"box": [1, 2.5]},), "2018-03-14", "en"),
        Document(""),
    ]

    async def ask() -> None:
        remote = RemoteInference(socket_path)
        await remote.wait(10)
        assert await remote.status("bills") == await inference.status("bills")
        here = await inference.propose("bills", "student", documents, ["shop"])
        assert await remote.propose("bills", "student", documents, ["shop"]) == here
        await remote.close()

    with serving(inference, socket_path, eventually):
        asyncio.run(ask())


def test_why_a_tier_cannot_answer_comes_through(local: Any, echo: Any, socket_path: Path, eventually: Any) -> None:
    inference = local(echo("student", "s1", error=RuntimeError("my secret")))

    async def ask(task: str, tier: Any, detail: Any = None) -> str:
        remote = RemoteInference(socket_path)
        with pytest.raises(TierUnavailable) as raised:
            await remote.propose(task, tier, [Document("x")], ["shop"])
        await remote.close()
        assert raised.value.detail == detail
        return raised.value.message

    with serving(inference, socket_path, eventually):
        assert asyncio.run(ask("bills", "large")) == "no large here"
        assert asyncio.run(ask("bills", "student", FAILED)) == "student failed (RuntimeError)"
        assert "no models were loaded" in asyncio.run(ask("other", "student"))
        assert asyncio.run(ask("bills", "huge")) == "no tier 'huge'"


def test_without_the_process_every_call_says_so(socket_path: Path) -> None:
    async def ask() -> None:
        remote = RemoteInference(socket_path)
        with pytest.raises(TierUnavailable, match="does not answer"):
            await remote.status("bills")
        with pytest.raises(TierUnavailable, match="does not answer") as raised:
            await remote.propose("bills", "student", [Document("x")], ["shop"])
        assert raised.value.detail == OUT
        with pytest.raises(TierUnavailable, match="does not answer"):
            await remote.wait(0.1)
        await remote.close()

    asyncio.run(ask())


def test_it_answers_again_once_the_process_is_back(local: Any, echo: Any, socket_path: Path, eventually: Any) -> None:
    async def ask() -> None:
        remote = RemoteInference(socket_path)
        for _ in range(2):
            with serving(local(echo("student", "s1")), socket_path, eventually):
                await remote.status("bills")
                await remote.propose("bills", "student", [Document("x")], ["shop"])
            with pytest.raises(TierUnavailable):
                await remote.propose("bills", "student", [Document("x")], ["shop"])
        await remote.close()

    asyncio.run(ask())


def test_it_follows_a_process_that_comes_back_with_another_model(
    local: Any, echo: Any, socket_path: Path, eventually: Any
) -> None:
    async def ask() -> None:
        remote = RemoteInference(socket_path)
        assert remote.epoch is None
        epochs = []
        for version in ("s1", "s2", "s2"):
            inference = local(echo("student", version))
            with serving(inference, socket_path, eventually):
                await remote.propose("bills", "student", [Document("x")], ["shop"], version=version)
                assert (await remote.status("bills"))["student"].version == version
                assert remote.epoch == inference.epoch
                epochs.append(remote.epoch)
                with pytest.raises(TierUnavailable, match="replaced by another model"):
                    await remote.propose("bills", "student", [Document("x")], ["shop"], version="s0")
        assert epochs[0] != epochs[1] == epochs[2]
        await remote.close()

    asyncio.run(ask())


def test_the_deadline_goes_along(local: Any, echo: Any, socket_path: Path, eventually: Any) -> None:
    student = echo("student", "s1", gate=threading.Event())
    inference = local(student)

    async def ask() -> None:
        remote = RemoteInference(socket_path)
        first = asyncio.create_task(remote.propose("bills", "student", [Document("first")], ["shop"]))
        await asyncio.to_thread(eventually, lambda: student.calls == ["first"])
        late = asyncio.create_task(remote.propose("bills", "student", [Document("late")], ["shop"], deadline=0.05))
        await asyncio.to_thread(eventually, lambda: inference.depths["student"] == 2)
        await asyncio.sleep(0.2)  # its deadline passes in the queue
        student.gate.set()
        with pytest.raises(TierUnavailable, match="the deadline passed before it was its turn"):
            await late
        await first
        await remote.close()

    with serving(inference, socket_path, eventually):
        asyncio.run(ask())
    assert student.calls == ["first"]


def test_an_answer_that_does_not_come_is_given_up_and_its_work_dropped(
    local: Any, echo: Any, socket_path: Path, eventually: Any
) -> None:
    student = echo("student", "s1", gate=threading.Event())
    inference = local(student)

    async def ask() -> None:
        remote = RemoteInference(socket_path, timeout=0.3)
        first = asyncio.create_task(remote.propose("bills", "student", [Document("first")], ["shop"]))
        await asyncio.to_thread(eventually, lambda: student.calls == ["first"])
        with pytest.raises(TierUnavailable, match=r"within 0\.3 s"):
            await remote.propose("bills", "student", [Document("second")], ["shop"])
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.to_thread(eventually, lambda: inference.depths["student"] == 1)
        student.gate.set()
        await asyncio.to_thread(eventually, lambda: inference.depths["student"] == 0)
        await remote.close()

    with serving(inference, socket_path, eventually):
        asyncio.run(ask())
    assert student.calls == ["first"]


def test_work_that_gives_way_does_so_to_requests_of_other_workers(
    local: Any, echo: Any, socket_path: Path, eventually: Any
) -> None:
    large = echo("large", "l1", gate=threading.Event())
    inference = local(large)

    async def ask() -> None:
        one, other = RemoteInference(socket_path), RemoteInference(socket_path)
        request = asyncio.create_task(one.propose("bills", "large", [Document("request")], ["shop"]))
        await asyncio.to_thread(eventually, lambda: large.calls == ["request"])
        with pytest.raises(TierUnavailable, match="large has others before it: 1") as raised:
            await other.propose("bills", "large", [Document("audit")], ["shop"], most_before=0)
        assert raised.value.detail == BUSY
        assert other.full_for("large") == 0, "requests of the same worker are not held up by it"
        large.gate.set()
        await request
        await other.propose("bills", "large", [Document("audit")], ["shop"], most_before=0)
        await one.close()
        await other.close()

    with serving(inference, socket_path, eventually):
        asyncio.run(ask())
    assert large.calls == ["request", "audit"]


def test_a_full_queue_is_seen_and_not_asked(local: Any, echo: Any, socket_path: Path, eventually: Any) -> None:
    student = echo("student", "s1", gate=threading.Event())
    board = QueueBoard(board_path(socket_path))
    inference = local(student, limits=Limits(1, 512, 0.0), board=board)

    async def ask() -> None:
        remote = RemoteInference(socket_path)
        assert remote.full_for("student") == 0
        first = asyncio.create_task(remote.propose("bills", "student", [Document("first")], ["shop"]))
        await asyncio.to_thread(eventually, lambda: student.calls == ["first"])
        assert remote.full_for("student") > 0
        assert remote.full_for("large") == 0
        with pytest.raises(TierUnavailable, match="student is busy") as raised:
            await remote.propose("bills", "student", [Document("x")], ["shop"])
        assert raised.value.detail == FULL
        student.gate.set()
        await first
        await asyncio.to_thread(eventually, lambda: remote.full_for("student") == 0)
        await remote.propose("bills", "student", [Document("again")], ["shop"])
        await remote.close()

    with serving(inference, socket_path, eventually):
        asyncio.run(ask())
    assert student.calls == ["first", "again"]


def test_a_queue_whose_process_is_gone_is_not_taken_to_be_full(socket_path: Path) -> None:
    board = QueueBoard(board_path(socket_path))
    process = multiprocessing.get_context("spawn").Process(target=_fill, args=(socket_path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    remote = RemoteInference(socket_path)
    assert remote.full_for("student") == 0
    board.open_queue("student", 1)  # by this process, which lives
    board.post("student", 1)
    assert remote.full_for("student") > 0


def _fill(socket_path: Path) -> None:
    board = QueueBoard(board_path(socket_path))
    board.open_queue("student", 1)
    board.post("student", 1)
    assert board.is_full("student")


texts = st.text(st.characters(codec=None), max_size=20)
candidates = st.builds(
    Candidate,
    texts,
    texts,
    texts,
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=2).map(tuple),
    st.floats(0, 1),
    texts,
)
outputs = st.builds(
    TierOutput,
    st.dictionaries(texts, st.lists(candidates, max_size=2).map(lambda found: Proposal(tuple(found))), max_size=2),
    st.builds(Work, st.floats(0, 10), st.floats(0, 10), st.integers(0, 99), st.integers(1, 9)),
)


statuses = st.builds(
    TierStatus,
    st.none() | texts,
    st.none() | texts,
    st.none() | texts,
    st.none() | st.builds(CallPrice, st.floats(0, 1), st.floats(0, 1), st.integers(0, 99), st.booleans()),
    st.none() | texts,
)


@given(statuses)
def test_a_status_survives_the_wire(status: TierStatus) -> None:
    assert wire.status_from_json(json.loads(json.dumps(wire.status_json({"large": status})))) == {"large": status}


@given(outputs)
def test_an_output_survives_the_wire(output: TierOutput) -> None:
    assert wire.output_from_json(json.loads(json.dumps(wire.output_json(output)))) == output
