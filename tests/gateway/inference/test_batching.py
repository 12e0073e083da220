from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.document import Document
from gateway.errors import TierUnavailable
from gateway.inference.batching import BUSY, Entry, Limits, TierQueue

STUDENT, OTHER = object(), object()
NO_WAIT = Limits(waiting=1000, batch_tokens=100, max_wait=0.0)


def entry(tokens: int = 10, *, model: Any = STUDENT, deadline: float | None = None) -> Entry:
    """An entry that counts about so many tokens."""
    return Entry(model, Document("x" * int((tokens - 2) * 2.5)), ("shop",), deadline)


def drain(queue: TierQueue) -> list[list[Entry]]:
    """All batches there are."""
    batches = []
    while queue.depth:
        batch = queue.take()
        assert batch
        batches.append(batch)
        queue.done(batch, 0.01)
    return batches


@given(st.lists(st.tuples(st.integers(2, 150), st.sampled_from([STUDENT, OTHER])), max_size=40))
def test_batches_are_of_one_model_within_the_budget_little_padded_and_lose_nobody(asked: list[Any]) -> None:
    queue = TierQueue("student", NO_WAIT)
    entries = [entry(tokens, model=model) for tokens, model in asked]
    queue.submit(entries)
    left = list(entries)
    for batch in drain(queue):
        assert batch[0] is left[0], "the oldest goes first: nobody waits for ever"
        assert len({id(one.model) for one in batch}) == 1
        padded = len(batch) * max(one.tokens for one in batch)
        assert len(batch) == 1 or padded <= NO_WAIT.batch_tokens
        assert padded - sum(one.tokens for one in batch) <= 0.25 * padded
        left = [one for one in left if one not in batch]
    assert not left


def test_texts_of_like_length_share_a_batch() -> None:
    queue = TierQueue("student", NO_WAIT)
    short, long = [entry(10) for _ in range(5)], [entry(45) for _ in range(2)]
    queue.submit([long[0], *short, long[1]])
    assert drain(queue) == [long, short]


def test_an_entry_whose_deadline_has_passed_is_never_begun(told: Any) -> None:
    queue = TierQueue("student", NO_WAIT, listener=told)
    late, fresh = entry(deadline=time.monotonic() + 0.02), entry()
    queue.submit([late, fresh])
    time.sleep(0.03)
    assert queue.take() == [fresh]
    with pytest.raises(TierUnavailable, match="the deadline passed before it was its turn"):
        late.future.result(0)
    assert told.refused == [("student", "expired")]
    assert queue.depth == 1


def test_one_whose_client_left_makes_room_at_once(told: Any) -> None:
    queue = TierQueue("student", NO_WAIT, listener=told)
    left, stays = entry(), entry()
    queue.submit([left, stays])
    left.future.cancel()
    assert queue.depth == 1
    assert queue.take() == [stays]
    assert told.refused == [("student", "left")]


def test_what_cannot_be_done_by_its_deadline_is_refused_at_once(told: Any) -> None:
    queue = TierQueue("student", Limits(1000, 10, 0.0), lanes=2, listener=told)
    queue.observe(1.0, 10)  # a lane needs 0.1 s a token
    queue.submit([entry(10, deadline=time.monotonic() + 0.5)])  # idle: tried, whatever is expected
    queue.submit([entry(10), entry(10)])
    assert queue.expected_wait(10) == pytest.approx(30 / 2 * 0.1 + 1.0)
    with pytest.raises(TierUnavailable, match="after the deadline") as raised:
        queue.submit([entry(10, deadline=time.monotonic() + 2.4)])
    assert raised.value.retry_after == pytest.approx(2.5)
    queue.submit([entry(10, deadline=time.monotonic() + 2.7)])
    assert told.refused == [("student", "deadline")]


def test_work_that_gives_way_is_refused_while_others_are_before_it(told: Any) -> None:
    queue = TierQueue("student", NO_WAIT, listener=told)
    queue.submit([entry()], most_before=0)  # idle
    with pytest.raises(TierUnavailable, match="has others before it: 1") as raised:
        queue.submit([entry()], most_before=0)
    assert raised.value.detail == BUSY
    queue.submit([entry()], most_before=1)
    batch = queue.take()
    assert batch
    with pytest.raises(TierUnavailable):  # what is being answered counts, too
        queue.submit([entry()], most_before=1)
    queue.done(batch, 0.01)
    assert queue.depth < 2
    queue.submit([entry()], most_before=1)
    assert told.refused == [], "it comes again; no request went without an answer"


def test_what_was_learned_of_the_speed_is_forgotten_little_by_little() -> None:
    queue = TierQueue("student", NO_WAIT)
    queue.observe(1.0, 10)
    for _ in range(40):
        queue.observe(0.01, 10)
    assert queue.expected_wait(10) == pytest.approx(0.01, rel=0.1)


def test_an_idle_queue_does_not_wait_for_company_and_a_busy_one_does() -> None:
    patient = Limits(1000, 100, max_wait=5.0)
    queue = TierQueue("student", patient)
    first = entry()
    started = time.monotonic()
    queue.submit([first])
    assert queue.take() == [first]
    assert time.monotonic() - started < 2.0, "it waited for company although nothing had come before"
    queue.done([first], 0.01)
    for _ in range(2):
        queue.submit([entry(60)])  # too long for company: taken at once, but they come in quick succession
        drain(queue)
    batch: list[Entry] = []
    taking = threading.Thread(target=lambda: batch.extend(queue.take() or []))
    waiting = [entry(10)]
    queue.submit(waiting)
    taking.start()
    for _ in range(10):
        time.sleep(0.005)
        late = entry(10)
        queue.submit([late])
        waiting.append(late)
    taking.join(10)
    assert len(batch) > 1, "requests came every 5 ms and none joined the one that could wait"


def test_a_closed_queue_lets_go_of_everybody() -> None:
    queue = TierQueue("student", NO_WAIT)
    waiting = entry()
    queue.submit([waiting])
    queue.close()
    assert waiting.future.cancelled()
    assert queue.take() is None
    with pytest.raises(TierUnavailable, match="shutting down"):
        queue.submit([entry()])
