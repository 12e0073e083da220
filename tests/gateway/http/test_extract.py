from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest

from gateway.audit.auditor import Auditor
from gateway.http.schemas import ExtractAnswer

BILL = "Shop: MUTIARA LTD\nItem: bread\nItem: milk\nTOTAL 9.00\n"


def test_each_field_is_answered_by_the_first_tier_that_can_be_trusted_with_it(service: Any) -> None:
    answer = service.extract(BILL, id="a-1").json()
    assert answer["id"] == "a-1"
    assert answer["status"] == "complete"
    total, shop, item = (answer["fields"][name] for name in ("total", "shop", "item"))
    assert (total["state"], total["tier"], total["source"]) == ("accepted", "rules", "total/after-total")
    assert (total["text"], total["normalised"], total["guarantee"]) == ("9.00", "9.00", 0.9)
    start, end = total["spans"][0]
    assert BILL[start:end] == "9.00"
    assert (shop["tier"], shop["value"], shop["confidence"]) == ("student", "MUTIARA LTD", 0.9)
    assert [found["value"] for found in item["items"]] == ["bread", "milk"]
    assert answer["tiers"] == ["rules", "student"]
    assert answer["escalated"] == {"shop": "student", "item": "student"}
    assert service.tiers["student"].calls == [("shop", "item")]


def test_answers_have_the_documented_form(service: Any) -> None:
    for more in ({}, {"explain": True}, {"max_tier": "rules"}):
        ExtractAnswer.model_validate(service.extract(BILL, **more).json())


def test_cost_and_timing_cover_the_tiers_that_were_asked(service: Any) -> None:
    answer = service.extract(BILL).json()
    assert set(answer["cost"]["by_tier"]) == {"rules", "student"}
    cost = answer["cost"]
    assert cost["amount"] == pytest.approx(sum(cost["by_tier"].values()) + cost["overhead"], rel=1e-9)
    # Estimated: a second and a millisecond a character, at the default price of a CPU second.
    assert cost["always_large"] == pytest.approx((1.0 + 0.001 * len(BILL)) * 1.25e-5 + cost["overhead"], rel=1e-9)
    assert set(answer["timing_ms"]) == {"rules", "student", "total"}
    assert answer["versions"]["student"] == "student-1"


def test_only_the_fields_asked_for_are_answered(service: Any) -> None:
    answer = service.extract(BILL, fields=["total"]).json()
    assert list(answer["fields"]) == ["total"]
    assert answer["tiers"] == ["rules"]


def test_max_tier_leaves_later_tiers_out(service: Any) -> None:
    answer = service.extract(BILL, max_tier="rules").json()
    assert answer["tiers"] == ["rules"]
    assert answer["status"] == "review"  # not degraded: nothing that was allowed is missing
    assert answer["fields"]["shop"]["state"] == "review"
    assert not service.tiers["student"].calls


def test_a_target_without_a_certificate_is_answered_in_review_or_refused(service: Any) -> None:
    answer = service.extract(BILL, quality=0.99).json()
    assert {found["state"] for found in answer["fields"].values()} == {"review"}
    assert {found["guarantee"] for found in answer["fields"].values()} == {None}
    refused = service.extract(BILL, quality=0.99, strict_quality=True)
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "not-certified"


def test_a_budget_keeps_dear_tiers_out(serve: Any, scripted: Any) -> None:
    service = serve(student=scripted("student", "student-1", score=0.1))
    assert service.extract(BILL).json()["tiers"] == ["rules", "student", "large"]
    answer = service.extract(BILL, budget=5e-6).json()
    assert answer["tiers"] == ["rules", "student"]
    assert answer["status"] == "review"
    assert "expected to cost" in answer["not_asked"].pop("large")
    assert not answer["not_asked"]


def test_a_budget_of_nothing_says_why_nothing_was_asked(serve: Any) -> None:
    service = serve()
    answer = service.extract(BILL, budget=0, explain=True).json()
    ExtractAnswer.model_validate(answer)
    assert answer["status"] == "review"
    assert "unavailable" not in answer
    # What rules cost is not known before the work: they are asked all the same.
    assert set(answer["not_asked"]) == {"student", "large"}
    assert all("budget of 0" in why for why in answer["not_asked"].values())
    assert answer["explanation"]["shop"]["chain"] == ["rules"]


def test_after_the_deadline_open_calls_are_given_up(serve: Any, scripted: Any) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow)
    answer = service.extract(BILL, deadline_ms=100).json()
    assert answer["status"] == "degraded"
    assert set(answer["unavailable"]) == {"student", "large"}
    assert "deadline" in answer["unavailable"]["student"]
    assert answer["fields"]["total"]["state"] == "accepted"
    assert not service.tiers["large"].calls


def test_a_tier_that_fails_leaves_open_fields_in_review_until_it_is_known_to_be_out(serve: Any, scripted: Any) -> None:
    student = scripted("student", "student-1", error=RuntimeError("secret text"))
    service = serve(student=student)
    for _ in range(3):
        answer = service.extract(BILL).json()
        assert answer["tiers"] == ["rules", "large"]
        assert answer["status"] == "degraded"
        assert answer["unavailable"] == {"student": "student failed (RuntimeError)"}
        states = {name: (found["state"], found["guarantee"]) for name, found in answer["fields"].items()}
        assert states == {"total": ("accepted", 0.9), "shop": ("review", None), "item": ("review", None)}
    # It failed three times in a row: now rules and large are a chain of their own, from the start.
    answer = service.extract(BILL, explain=True).json()
    assert answer["unavailable"] == {"student": "student failed (RuntimeError)"}
    assert {found["state"] for found in answer["fields"].values()} == {"accepted"}
    assert answer["explanation"]["shop"]["chain"] == ["rules", "large"]
    assert len(student.calls) == 3


def test_a_deadline_that_is_known_to_be_too_short_leaves_the_tier_out_from_the_start(serve: Any, scripted: Any) -> None:
    service = serve(student=scripted("student", "student-1", score=0.1))
    answer = service.extract(BILL, deadline_ms=200, explain=True).json()  # the large tier is estimated at 1 s of CPU
    assert answer["status"] == "degraded"
    assert "deadline is too short" in answer["unavailable"]["large"]
    assert answer["explanation"]["shop"]["chain"] == ["rules", "student"]
    assert not service.tiers["large"].calls


def test_a_promise_in_doubt_is_not_stated(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = serve(cache_bytes=100_000)
    before = service.extract(BILL).json()["fields"]
    assert all("doubted" not in found for found in before.values())
    monkeypatch.setattr(Auditor, "doubted", lambda _self, _task: frozenset({"total"}))
    answer = service.extract(BILL).json()
    ExtractAnswer.model_validate(answer)
    total, shop = answer["fields"]["total"], answer["fields"]["shop"]
    assert (total["state"], total["guarantee"], total["doubted"]) == ("accepted", None, True)
    assert shop == before["shop"]


def test_missing_models_leave_rules_in_service(serve: Any) -> None:
    service = serve(missing=("student", "large"))
    answer = service.extract(BILL).json()
    assert answer["status"] == "degraded"
    assert answer["unavailable"] == {"student": "no student here", "large": "no large here"}
    assert answer["fields"]["total"]["state"] == "accepted"


def test_a_model_that_the_policy_does_not_know_decides_nothing(serve: Any, scripted: Any) -> None:
    service = serve(student=scripted("student", "student-2"), missing=("large",))
    shop = service.extract(BILL).json()["fields"]["shop"]
    assert (shop["state"], shop["value"]) == ("review", "MUTIARA LTD")


def test_while_the_student_s_queue_is_full_requests_for_it_are_refused(
    serve: Any, scripted: Any, eventually: Any
) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow, queue_limit=1)
    waiting: list[Any] = []
    first = threading.Thread(target=lambda: waiting.append(service.extract(BILL)))
    first.start()
    eventually(lambda: service.inference.depths["student"] == 1)
    refused = service.extract(BILL)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert int(refused.headers["retry-after"]) >= 1
    assert service.sample("cascade_refused_total", code="overloaded") == 1
    assert service.extract(BILL, max_tier="rules").status_code == 200
    # Documents of a batch were let in already.
    batch = {"task": "bills", "documents": [{"text": BILL}]}
    line = service.client.post("/v1/extract/batch", json=batch).text.splitlines()[0]
    assert "busy" in json.loads(line)["unavailable"]["student"]
    slow.gate.set()
    first.join(10)
    assert waiting[0].json()["status"] == "complete"


def test_a_full_queue_of_the_large_tier_answers_at_once_without_it(serve: Any, scripted: Any, eventually: Any) -> None:
    slow = scripted("large", "large-1", gate=threading.Event())
    service = serve(student=scripted("student", "student-1", score=0.1), large=slow, queue_limit=1)
    first = threading.Thread(target=lambda: service.extract(BILL))
    first.start()
    eventually(lambda: service.inference.depths["large"] == 1)
    answer = service.extract(BILL).json()
    assert answer["status"] == "degraded"
    assert "busy" in answer["unavailable"]["large"]
    slow.gate.set()
    first.join(10)


def test_the_event_loop_answers_while_a_model_works(serve: Any, scripted: Any, eventually: Any) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow)
    first = threading.Thread(target=lambda: service.extract(BILL))
    first.start()
    eventually(lambda: service.inference.depths["student"] == 1)
    assert service.client.get("/healthz").json() == {"status": "ok"}
    assert service.extract(BILL, max_tier="rules").status_code == 200
    slow.gate.set()
    first.join(10)


def test_work_whose_client_left_is_taken_out_of_the_queue(serve: Any, scripted: Any, eventually: Any) -> None:
    slow = scripted("student", "student-1", gate=threading.Event())
    service = serve(student=slow)
    address = str(service.client.base_url)

    def ask_briefly() -> None:
        with httpx.Client(base_url=address, timeout=0.3) as client, pytest.raises(httpx.ReadTimeout):
            client.post("/v1/extract", json={"task": "bills", "text": BILL})

    first = threading.Thread(target=lambda: service.extract(BILL))
    first.start()
    eventually(lambda: len(slow.calls) == 1)
    ask_briefly()
    eventually(lambda: service.inference.depths["student"] == 1)
    slow.gate.set()
    first.join(10)
    eventually(lambda: service.inference.depths["student"] == 0)
    assert len(slow.calls) == 1
    assert service.sample("cascade_requests_total", task="bills", status="disconnected") == 1


def test_explain_shows_every_proposal_and_decision(service: Any) -> None:
    explanation = service.extract(BILL, explain=True).json()["explanation"]
    shop = explanation["shop"]
    assert shop["chain"] == ["rules", "student", "large"]
    assert shop["proposals"]["rules"] == []
    assert shop["proposals"]["student"][0]["score"] == 0.9
    assert [(step["tier"], step["verdict"]) for step in shop["decisions"]] == [
        ("rules", "nothing-found"),
        ("student", "accepted"),
    ]
    assert (shop["decisions"][1]["target"], shop["decisions"][1]["threshold"]) == (0.9, 0.8)
    assert "explanation" not in service.extract(BILL).json()


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x01\x02\x1b[31m\x7f TOTAL 9.00",
        "\ufeff\u202e\u200b\U0001f9fe é́ TOTAL 9.00",
        "TOTAL 9.00" + "\r\n" * 500 + "\ud7ff\ue000\U0010ffff",
    ],
    ids=["control", "marks", "edges"],
)
def test_odd_characters_are_text_like_any_other(service: Any, text: str) -> None:
    total = service.extract(text).json()["fields"]["total"]
    start, end = total["spans"][0]
    assert text[start:end] == total["text"] == "9.00"


def test_a_megabyte_of_text_is_answered(service: Any) -> None:
    text = "nothing here\n" * 80_660 + "Shop: MUTIARA LTD\n"
    assert len(text) > 1024 * 1024
    shop = service.extract(text).json()["fields"]["shop"]
    assert (shop["state"], shop["value"]) == ("accepted", "MUTIARA LTD")
    assert text[slice(*shop["spans"][0])] == "MUTIARA LTD"


def test_everything_a_request_may_say_is_taken(service: Any) -> None:
    response = service.extract(
        BILL,
        id="x",
        fields=["shop", "total"],
        quality=0.9,
        strict_quality=True,
        max_tier="large",
        budget=1.0,
        deadline_ms=30_000,
        context="a bill",
        lines=[{"text": "Shop: MUTIARA LTD", "box": [0, 0.5, 10, 20]}, {"polygon": [[0, 0], [1, 1]], "page": 1}],
        reference_date="2018-03-14",
        locale="en-MY",
        explain=False,
    )
    assert response.status_code == 200, response.text
