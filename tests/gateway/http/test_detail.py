from __future__ import annotations

import re
from typing import Any

import pytest

BILL = "Shop: Mutiara\nItem: tea\nTOTAL 9.00"
ASKED = {"X-Cascade-Detail": "1"}


def ask(service: Any, headers: dict[str, str] | None = None, **more: object) -> Any:
    body = {"task": "bills", "text": BILL, **more}
    return service.client.post("/v1/extract", json=body, headers=headers or {})


def details(response: Any) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith(("x-cascade", "server-timing"))}


def test_headers_say_what_the_answer_says(serve: Any) -> None:
    service = serve(instance_price_per_hour=1.0)
    response = ask(service, ASKED)
    answer, found = response.json(), details(response)
    cost = answer["cost"]
    assert found["x-cascade-tiers"] == "rules,student"
    for header, key in (
        ("x-cascade-cost", "amount"),
        ("x-cascade-always-large", "always_large"),
        ("x-cascade-provisioned", "provisioned"),
    ):
        amount, currency = found[header].split()
        assert float(amount) == pytest.approx(cost[key], rel=1e-5)
        assert currency == cost["currency"]
    timing = {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([\d.]+)", found["server-timing"])}
    assert set(timing) == {"total", "rules", "student", "overhead"}
    assert timing["student"] == pytest.approx(answer["timing_ms"]["student"], abs=0.002)
    assert timing["total"] == pytest.approx(timing["rules"] + timing["student"] + timing["overhead"], abs=0.01)


@pytest.mark.parametrize(("setting", "asked", "there"), [("always", False, True), ("never", True, False)])
def test_configuration_may_decide_for_all(serve: Any, setting: str, asked: bool, there: bool) -> None:
    service = serve(detail_headers=setting)
    assert bool(details(ask(service, ASKED if asked else None))) is there


def test_nobody_who_did_not_ask_is_told(service: Any) -> None:
    assert details(ask(service)) == {}


def test_an_answer_that_is_given_again_says_so(serve: Any) -> None:
    service = serve(cache_bytes=1_000_000)
    ask(service)
    again = details(ask(service, ASKED))
    assert again["x-cascade-cached"] == "true"
    assert "x-cascade-cost" not in again


def test_an_explained_answer_says_what_was_spent(service: Any) -> None:
    answer = ask(service, explain=True).json()
    work, cost = answer["work"], answer["cost"]
    assert set(work) == {"rules", "student", "overhead"}
    assert work["student"]["cpu_seconds"] == 0.01
    assert work["student"]["tokens"] == 5
    assert sum(spent["cpu_seconds"] for spent in work.values()) * 1.25e-5 == pytest.approx(cost["amount"], rel=1e-6)
    assert "work" not in ask(service).json()


def test_prices_that_nobody_stated_are_noted(service: Any) -> None:
    prices = service.client.get("/v1/tasks/bills").json()["prices"]
    assert prices["source"] == {"cpu_second": "default", "gpu_second": "default"}
    [note] = service.client.get("/readyz").json()["tasks"]["bills"]["notes"]
    assert "1.25e-05 USD is assumed" in note
