from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.auditor import Auditor
from gateway.cascade import Extraction
from gateway.cost import Cost
from gateway.extraction import Outcome
from gateway.http.cache import AnswerCache
from gateway.http.schemas import ExtractAnswer, ExtractRequest
from tests.gateway.http.test_keys import bearer, make

BILL = "Shop: MUTIARA LTD\nItem: bread\nTOTAL 9.00\n"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("id", "timing_ms", "cost")}


def test_the_same_request_is_answered_from_memory_at_no_cost(serve: Callable[..., Any]) -> None:
    service = serve(cache_bytes=1_000_000)
    first = service.extract(BILL, id="one").json()
    again = service.extract(BILL, id="two", deadline_ms=20_000).json()
    assert timeless(again) == timeless(first)
    assert (first["id"], again["id"]) == ("one", "two")
    assert first["cost"]["amount"] > 0
    assert "cached" not in first["cost"]
    assert again["cost"] == {
        "amount": 0,
        "currency": "USD",
        "always_large": first["cost"]["always_large"],
        "by_tier": {},
        "overhead": 0,
        "energy_joules": 0,
        "co2e_grams": 0,
        "cached": True,
    }
    ExtractAnswer.model_validate(again)
    assert len(service.tiers["student"].calls) == 1
    assert service.sample("cascade_cache_requests_total", task="bills", result="hit") == 1
    assert service.sample("cascade_cache_requests_total", task="bills", result="miss") == 1
    assert service.sample("cascade_requests_total", task="bills", status=first["status"]) == 2
    assert service.sample("cascade_cost_always_large_total", task="bills", currency="USD") == pytest.approx(
        2 * first["cost"]["always_large"]
    )
    assert service.sample("cascade_cache_bytes") > 400


def test_any_other_request_is_another_one(serve: Callable[..., Any]) -> None:
    service = serve(cache_bytes=1_000_000)
    service.extract(BILL)
    for text, more in (
        (BILL + " ", {}),
        (BILL, {"quality": 0.8}),
        (BILL, {"fields": ["shop"]}),
        (BILL, {"max_tier": "student"}),
        (BILL, {"explain": True}),
        (BILL, {"reference_date": "2020-01-01"}),
        (BILL, {"context": "x"}),
        (BILL, {"budget": 1.0}),
    ):
        assert "cached" not in service.extract(text, **more).json()["cost"]
    assert "cached" in service.extract(BILL).json()["cost"]


def test_it_is_off_by_default(service: Any) -> None:
    service.extract(BILL)
    assert "cached" not in service.extract(BILL).json()["cost"]


def test_one_key_learns_nothing_of_another_s_requests(serve: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    one, two = make(path), make(path)
    service = serve(cache_bytes=1_000_000, keys=path)
    body = {"task": "bills", "text": BILL}

    def cached(key: str) -> bool:
        return "cached" in service.client.post("/v1/extract", json=body, headers=bearer(key)).json()["cost"]

    assert [cached(one), cached(two), cached(one), cached(two)] == [False, False, True, True]


def test_degraded_answers_are_not_kept(serve: Any, scripted: Any) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, cache_bytes=1_000_000)
    assert service.extract(BILL, deadline_ms=100).json()["status"] == "degraded"
    slow.gate.set()
    answer = service.extract(BILL).json()
    assert (answer["status"], "cached" in answer["cost"]) == ("complete", False)


def test_a_tier_s_absence_is_not_kept_even_where_the_answer_is_complete(serve: Any) -> None:
    service = serve(missing=("student",), cache_bytes=1_000_000)
    assert service.extract(BILL).json()["status"] == "complete"
    assert "cached" not in service.extract(BILL).json()["cost"]


def test_an_answer_from_before_a_promise_came_into_doubt_is_not_given_again(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(cache_bytes=1_000_000)
    service.extract(BILL)
    assert service.extract(BILL).json()["cost"]["cached"]
    monkeypatch.setattr(Auditor, "doubted", lambda _self, _task: frozenset({"total"}))
    answer = service.extract(BILL).json()
    assert "cached" not in answer["cost"]
    assert answer["fields"]["total"]["guarantee"] is None


def test_the_same_request_twice_at_once_is_worked_on_once(serve: Any, scripted: Any, eventually: Any) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, cache_bytes=1_000_000)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(service.extract(BILL).json())) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: service.inference.depths["student"] == 1 and len(slow.calls) == 1)
    # A fifth that cannot wait so long is answered by itself, and with what it has.
    hurried = service.extract(BILL, deadline_ms=300).json()
    assert "deadline" in hurried["unavailable"]["student"]
    slow.gate.set()
    for thread in threads:
        thread.join(10)
    assert len(slow.calls) == 1
    assert sorted("cached" in answer["cost"] for answer in answers) == [False, True, True, True]
    assert len({answer["fields"]["shop"]["value"] for answer in answers}) == 1


def test_where_the_first_comes_to_nothing_the_others_are_answered_by_themselves(
    serve: Any, scripted: Any, eventually: Any
) -> None:
    broken = scripted("student", "student-1", gate=threading.Event(), error=RuntimeError())
    service = serve(student=broken, cache_bytes=1_000_000)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(service.extract(BILL).json())) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(broken.calls) == 1)
    broken.gate.set()
    for thread in threads:
        thread.join(10)
    # Those who waited ask by themselves; where they share a batch that fails, each of it is tried once more alone.
    assert len(broken.calls) in {3, 4}
    assert [answer["status"] for answer in answers] == ["degraded"] * 3


# --- the memory ---


def outcome(size: int) -> tuple[Outcome, dict[str, Any]]:
    extraction = Extraction({}, "complete", (), (), {}, {})
    answer = {"id": None, "task": "x" * size, "cost": {"amount": 1.0}, "timing_ms": {"total": 1.0}}
    return Outcome("bills", None, extraction, Cost(1.0, "USD", 2.0, {}), {}, {}), answer


def test_the_least_lately_used_goes_first_and_the_limit_holds() -> None:
    cache = AnswerCache(5_000, 60)
    keys = [bytes([number]) for number in range(20)]
    for key in keys:
        cache.put(key, *outcome(1000))
        cache.get(keys[0])
        assert cache.size <= 5_000
    assert cache.get(keys[0]) is not None
    assert cache.get(keys[19]) is not None
    assert cache.get(keys[1]) is None
    cache.put(b"big", *outcome(6000))
    assert cache.get(b"big") is None
    before = cache.size
    cache.put(keys[19], *outcome(1000))  # in its own place
    assert cache.size == before


def test_an_answer_is_given_again_for_a_while_only() -> None:
    clock = Clock()
    cache = AnswerCache(5_000, 60, monotonic=clock)
    cache.put(b"a", *outcome(10))
    clock.now = 59.9
    assert cache.get(b"a") is not None
    clock.now = 60
    assert cache.get(b"a") is None
    assert cache.size == 0


def test_the_key_covers_versions_and_every_option() -> None:
    cache = AnswerCache(1, 1)
    asked = ExtractRequest(task="t", text="x")
    key = cache.key(asked, {"generation": 1}, "")
    assert cache.key(asked.model_copy(update={"id": "other", "deadline_ms": 5.0}), {"generation": 1}, "") == key
    others = [
        cache.key(asked, {"generation": 2}, ""),
        cache.key(asked, {"generation": 1}, "key"),
        AnswerCache(1, 1).key(asked, {"generation": 1}, ""),
    ]
    for name in set(ExtractRequest.model_fields) - {"id", "deadline_ms"}:
        others.append(cache.key(asked.model_copy(update={name: "changed"}), {"generation": 1}, ""))
    assert len({key, *others}) == len(others) + 1
