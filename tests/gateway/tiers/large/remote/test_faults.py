"""The remote large tier against servers that do not answer as they should."""

from __future__ import annotations

import asyncio
import datetime
import json
import time
from email.utils import format_datetime

import pytest

from gateway.document import Document
from gateway.errors import TierUnavailable
from gateway.inference.base import OUT
from tests.gateway.tiers.large.remote.conftest import TEXT, ask, propose
from tests.gateway.tiers.large.remote.faulty import (
    FaultyServer,
    after,
    completion,
    endless,
    fields,
    half_body,
    half_head,
    no_http,
    reset,
    says,
    stall,
    trickle,
)

GOOD = fields(total="9.00")
QUICK = {"timeouts": {"connect": 0.5, "read": 0.4, "total": 0.8, "pool": 1}}


def total(output):
    best = output.proposals["total"].best
    return best and best.normalised


PASSING = {
    "reset": (reset, "broken"),
    "half-body": (half_body, "broken"),
    "half-head": (half_head, "broken"),
    "no-http": (no_http, "broken"),
    "stall": (stall, "timeout"),
    "trickle": (trickle, "timeout"),
    "500": (says(500, b"oh"), "server-error"),
    "502-html": (says(502, b"<html>"), "server-error"),
    "503": (says(503, b"", retry_after="0"), "server-error"),
    "408": (says(408, b""), "timeout"),
    "429": (says(429, b""), "rate-limited"),
    "no-json": (says(200, b"<html>hello</html>"), "garbled"),
    "half-json": (says(200, completion('{"total": "9.00"}')[:40]), "garbled"),
    "other-json": (says(200, b'{"choices": []}'), "garbled"),
    "nothing": (says(200, b""), "garbled"),
    "array": (says(200, b"[1, 2]"), "garbled"),
    "deep": (says(200, b"[" * 100_000), "garbled"),
    "bytes": (says(200, bytes(range(256))), "garbled"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_asked_again(serve, make_tier, record, name):
    fault, outcome = PASSING[name]
    server = serve(fault, GOOD)
    assert total(ask(make_tier(server, upstream=QUICK), "total")) == "9.00"
    assert record.calls == [("server-0", outcome), ("server-0", "ok")]
    assert record.retries == ["server-0"]


@pytest.mark.parametrize("name", PASSING)
def test_another_upstream_answers_instead(serve, make_tier, record, name):
    fault, outcome = PASSING[name]
    broken, sound = serve(fault), serve(GOOD)
    assert total(ask(make_tier(broken, sound, upstream=QUICK), "total")) == "9.00"
    assert record.calls == [("server-0", outcome), ("server-1", "ok")]


LASTING = {
    "400": (says(400, b'{"error": {"message": "no"}}'), "refused"),
    "401": (says(401, b""), "refused"),
    "403": (says(403, b""), "refused"),
    "404": (says(404, b""), "refused"),
    "422": (says(422, b""), "refused"),
    "redirect": (says(307, b"", location="http://127.0.0.1:1/v1/chat/completions"), "refused"),
    "too-large": (endless, "garbled"),
    "other-fields": (says(200, completion('{"name": "Ada"}')), "garbled"),
    "no-object": (says(200, completion("I am sorry.")), "garbled"),
    "refusal": (says(200, completion(None)), "garbled"),
}


@pytest.mark.parametrize("name", LASTING)
def test_what_another_try_would_not_change_is_not_tried_again(serve, make_tier, record, name):
    fault, outcome = LASTING[name]
    server = serve(fault)
    tier = make_tier(server, upstream={**QUICK, "structured": "text"}, remote={"seed": None})
    with pytest.raises(TierUnavailable, match=r"^large: server-0 answered"):
        ask(tier, "total")
    assert record.calls == [("server-0", outcome)]
    assert len(server.received) <= 2  # of those, one without log-probabilities at most


def test_every_try_failing_is_unavailable(serve, make_tier, record):
    server = serve(says(500, b"secret detail"))
    with pytest.raises(TierUnavailable, match="server-0 answered with status 500") as caught:
        ask(make_tier(server, remote={"retries": 3}), "total")
    assert len(server.received) == 4
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there(make_tier, record):
    with pytest.raises(TierUnavailable, match="server-0 cannot be reached"):
        ask(make_tier("http://127.0.0.1:9/v1"), "total")
    assert {outcome for _, outcome in record.calls} == {"connect"}


# --- time ---


def test_a_deadline_ends_everything(serve, make_tier, record):
    server = serve(stall)
    started = time.monotonic()
    with pytest.raises(TierUnavailable, match=r"within the 0\.[23] s there were"):
        ask(make_tier(server), "total", deadline=0.3)
    assert time.monotonic() - started < 1.5
    assert record.calls == [("server-0", "unfinished")]


def test_no_pause_is_longer_than_the_time_there_is(serve, make_tier):
    server = serve(says(429, b"", retry_after="3"))
    started = time.monotonic()
    with pytest.raises(TierUnavailable) as caught:
        ask(make_tier(server), "total", deadline=2)
    assert time.monotonic() - started < 1
    assert caught.value.retry_after == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("dated", [False, True])
def test_retry_after_is_kept(serve, make_tier, dated):
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2.5)
    server = serve(says(429, b"", retry_after=format_datetime(moment, usegmt=True) if dated else "1"), GOOD)
    started = time.monotonic()
    assert total(ask(make_tier(server), "total")) == "9.00"
    assert time.monotonic() - started >= 0.9


def test_who_asked_to_be_left_alone_is_left_alone_by_all(serve, make_tier):
    server, other = serve(says(503, b"", retry_after="60"), GOOD), serve(GOOD)

    async def run():
        tier = make_tier(server, other)
        try:
            return [total((await tier.propose([Document(TEXT)], ["total"]))[0]) for _ in range(3)]
        finally:
            await tier.close()

    assert asyncio.run(run()) == ["9.00"] * 3
    assert (len(server.received), len(other.received)) == (1, 3)


def test_a_full_upstream_is_passed_over(serve, make_tier):
    slow, other = serve(after(1.0, GOOD)), serve(GOOD)
    upstream = {"concurrency": 1, "timeouts": {"connect": 1, "read": 2, "total": 4, "pool": 0.1}}
    outputs = propose(make_tier(slow, other, upstream=upstream), [Document(TEXT)] * 2, ["total"])
    assert [total(output) for output in outputs] == ["9.00"] * 2
    assert (len(slow.received), len(other.received)) == (1, 1)


# --- whoever leaves ---


def test_a_cancelled_request_closes_the_upstream_s(serve, make_tier, record):
    server = serve(stall)

    async def run():
        tier = make_tier(server)
        asking = asyncio.create_task(tier.propose([Document(TEXT)], ["total"]))
        while not server.received:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        for _ in range(200):
            if server.left:
                break
            await asyncio.sleep(0.01)
        # Its slot is free again.
        server.then = GOOD
        [output] = await tier.propose([Document(TEXT)], ["total"])
        await tier.close()
        return output

    assert total(asyncio.run(run())) == "9.00"
    assert len(server.left) == 1
    assert record.calls == [("server-0", "unfinished"), ("server-0", "ok")]


def test_a_document_that_fails_cancels_those_beside_it(serve, make_tier):
    server = serve(says(413, b""), stall)
    with pytest.raises(TierUnavailable, match="413"):
        propose(make_tier(server), [Document(TEXT)] * 4, ["total"])
    deadline = time.monotonic() + 5
    while server.under_way and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.under_way == 0


# --- the breaker ---

BREAKER = {"window": 30, "calls": 3, "failure_rate": 0.5, "open": 0.3, "slow": 5}


def calls(tier, number, pause=0.0, server: FaultyServer | None = None, when=None):
    """Ask ``number`` times in turn; the totals found, ``None`` for none."""

    async def run():
        found = []
        for index in range(number):
            if when == index and server is not None:
                server.then = GOOD
            try:
                found.append(total((await tier.propose([Document(TEXT)], ["total"]))[0]))
            except TierUnavailable:
                found.append(None)
            await asyncio.sleep(pause)
        await tier.close()
        return found

    return asyncio.run(run())


def test_an_upstream_that_keeps_failing_is_not_called(serve, make_tier, record):
    server = serve(says(500, b""))
    tier = make_tier(server, upstream={"breaker": {**BREAKER, "open": 60}}, remote={"retries": 0})
    assert calls(tier, 20) == [None] * 20
    assert len(server.received) == 3
    # The last: nothing of a tier that is let go stays open.
    assert record.breakers == [("server-0", False), ("server-0", True), ("server-0", False)]


@pytest.mark.parametrize(
    ("fault", "answered", "out"),
    [
        (says(500, b""), 3, True),  # its breaker is open
        (says(500, b""), 2, False),  # it may answer the next
        (says(429, b"", retry_after="60"), 1, True),
        (says(422, b""), 5, False),
    ],
)
def test_that_others_need_not_try_is_said(serve, make_tier, fault, answered, out):
    tier = make_tier(
        serve(fault),
        upstream={"breaker": {**BREAKER, "open": 60}, "structured": "text"},
        remote={"retries": 0, "seed": None},
    )

    async def run():
        errors = []
        for _ in range(answered):
            with pytest.raises(TierUnavailable) as caught:
                await tier.propose([Document(TEXT)], ["total"])
            errors.append(caught.value)
        await tier.close()
        return errors

    *earlier, last = asyncio.run(run())
    assert all(error.detail is None for error in earlier)
    assert (last.detail == OUT) is out
    if out:
        assert 50 < last.retry_after <= 60


def test_it_is_used_again_once_a_probe_has_succeeded(serve, make_tier, record):
    server = serve(says(500, b""))
    tier = make_tier(server, upstream={"breaker": BREAKER}, remote={"retries": 0})
    found = calls(tier, 30, pause=0.05, server=server, when=15)
    assert found[:15] == [None] * 15
    recovered = found.index("9.00")
    assert recovered - 15 <= 12  # 0.3 s at 0.05 s each, with time to spare
    assert found[recovered:] == ["9.00"] * (30 - recovered)
    assert record.breakers == [("server-0", False), ("server-0", True), ("server-0", False)]


def test_refusals_of_a_document_and_rate_limits_open_nothing(serve, make_tier, record):
    server = serve(*[says(422, b"")] * 10, *[says(429, b"")] * 10, GOOD)
    tier = make_tier(server, upstream={"breaker": BREAKER, "structured": "text"}, remote={"retries": 0, "seed": None})
    calls(tier, 25)
    assert record.breakers == [("server-0", False)]


def test_impatient_clients_open_nothing_and_slow_servers_do(serve, make_tier, record):
    server = serve(stall)
    for slow, expected in ((10.0, False), (0.1, True)):
        record.breakers.clear()
        tier = make_tier(
            server, upstream={"breaker": {**BREAKER, "slow": slow}}, remote={"retries": 0, "deadline": 0.15}
        )
        calls(tier, 4)
        assert (("server-0", True) in record.breakers) is expected


def test_while_one_upstream_is_open_the_other_answers_at_once(serve, make_tier):
    broken, sound = serve(stall), serve(GOOD)
    tier = make_tier(broken, sound, upstream={**QUICK, "breaker": {**BREAKER, "open": 60}})
    assert calls(tier, 10) == ["9.00"] * 10
    assert len(broken.received) == 3


# --- dialects ---


def refuses(*words: str) -> object:
    """A server that knows some parameters and formats only."""

    async def answer(request, writer):
        for word in words:
            if word in request.raw.decode():
                message = {"error": {"message": f"Unsupported: {word}"}}
                await says(400, json.dumps(message).encode())(request, writer)
                return
        await GOOD(request, writer)

    return answer


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("json_schema",), {"type": "json_object", "schema": ...}),
        (("json_schema", '"schema"'), {"type": "json_object"}),
        (("response_format",), None),
    ],
)
def test_a_server_that_lacks_a_format_is_asked_more_simply_and_that_is_remembered(serve, make_tier, words, expected):
    server = serve(refuses(*words))
    assert calls(make_tier(server), 3) == ["9.00"] * 3
    formats = [request.body.get("response_format") for request in server.received]
    final = formats[-1]
    if expected is not None and "schema" in expected:
        assert final["schema"]["required"] == ["total"]
        final = {**final, "schema": ...}
    assert final == expected
    assert formats[-3:] == [formats[-1]] * 3  # once learnt, nothing else is tried


def test_parameters_that_a_server_refuses_are_left_out(serve, make_tier):
    server = serve(refuses("logprobs", "seed", "temperature", "max_tokens"))
    assert calls(make_tier(server), 2) == ["9.00"] * 2
    last = server.received[-1].body
    assert not {"logprobs", "top_logprobs", "seed", "temperature", "max_tokens"} & set(last)
    assert last["max_completion_tokens"] > 0
    assert last["response_format"]["type"] == "json_schema"


def test_a_server_error_that_names_the_format_is_a_refusal_of_it(serve, make_tier, record):
    body = (
        b'{"error": {"message": "\'loc\': (\'body\', \'response_format\', \'type\')", "type": "internal_server_error"}}'
    )
    server = serve(says(500, body), GOOD)
    assert calls(make_tier(server), 1) == ["9.00"]
    assert record.calls == [("server-0", "ok")]


def test_a_document_too_long_for_the_model_changes_no_dialect(serve, make_tier):
    message = b'{"error": {"message": "maximum context length is 2048 tokens", "code": "context_length_exceeded"}}'
    server = serve(says(400, message), GOOD)
    tier = make_tier(server)
    assert calls(tier, 2) == [None, "9.00"]
    assert server.received[0].raw == server.received[1].raw


def test_a_fixed_form_is_kept(serve, make_tier):
    server = serve(refuses("response_format"))
    assert calls(make_tier(server, upstream={"structured": "json_object"}), 1) == [None]


def test_a_server_in_trouble_teaches_nothing(serve, make_tier):
    server = serve(*[says(400, b"{}")] * 4, GOOD)
    assert calls(make_tier(server), 2) == [None, "9.00"]
    assert server.received[-1].body["response_format"]["type"] == "json_schema"
