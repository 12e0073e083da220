"""Metrics of a real service with several workers: what they add up to, who can make series, and what restarts do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.serving.processes import descendants
from gateway.cost.metering import process_seconds
from gateway.home import Home
from gateway.task import Prices

TWO = ("--workers", "2")
BILL = {"task": "bills", "text": "MUTIARA LTD\nTOTAL 9.00"}
#: Only the process that does the scraping tells these, or only now and then.
VOLATILE = ("cascade_process_cpu_seconds_total", "cascade_utilisation_ratio")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(service: Any) -> Samples:
    text = service.get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value for (found, having), value in samples.items() if found == name and labels.items() <= dict(having).items()
    )


@pytest.mark.parametrize("flags", [(), TWO])
def test_metrics_are_the_sums_over_the_answers(
    start: Any, tiny_home: Home, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_INSTANCE_PRICE_PER_HOUR", "3.6")
    service = start(tiny_home, *flags)
    answers = [service.extract(**BILL, **more).json() for _ in range(15) for more in ({}, {"max_tier": "rules"})]
    samples = scrape(service)
    costs = [answer["cost"] for answer in answers]
    assert total(samples, "cascade_cost_total") == pytest.approx(sum(cost["amount"] for cost in costs))
    assert total(samples, "cascade_cost_total", tier="overhead") == pytest.approx(
        sum(cost["overhead"] for cost in costs)
    )
    assert total(samples, "cascade_cost_provisioned_total") == pytest.approx(sum(c["provisioned"] for c in costs))
    assert total(samples, "cascade_energy_joules_total") == pytest.approx(sum(c["energy_joules"] for c in costs))
    assert total(samples, "cascade_co2e_grams_total") == pytest.approx(sum(c["co2e_grams"] for c in costs))
    assert total(samples, "cascade_tier_requests_total", tier="student") == 15
    assert total(samples, "cascade_requests_total") == 30
    assert total(samples, "cascade_cpu_seconds_total") <= total(samples, "cascade_process_cpu_seconds_total")
    assert total(samples, "cascade_instance_cost_total", currency="USD") > 0
    for tier in ("student", "large"):
        assert total(samples, "cascade_queue_limit", tier=tier) == 64
    for answer in answers:
        cost = answer["cost"]
        assert cost["amount"] == pytest.approx(sum(cost["by_tier"].values()) + cost["overhead"], rel=1e-9)
        assert cost["provisioned"] > 0
    wanted = {"worker", "inference", "supervisor"} if flags else {"worker"}
    processes = {dict(labels)["process"] for name, labels in samples if name == "cascade_process_cpu_seconds_total"}
    assert processes == wanted


def test_requests_cannot_make_series(start: Any, tiny_home: Home) -> None:
    service = start(tiny_home, *TWO)

    def hostile(number: int) -> list[int]:
        name = f'made-up-{number}\u0000\n"}} evil'
        with service.client() as client:
            requests = [
                client.post("/v1/extract", json={**BILL, "task": name}),
                client.post("/v1/extract", json={**BILL, "fields": [name]}),
                client.post("/v1/extract", json={**BILL, "max_tier": name}),
                client.post("/v1/extract", json={**BILL, "id": f"{number}", "locale": "en"}),
                client.post("/v1/extract", json={**BILL, name: 1}),
                client.post("/v1/extract", content=b"{" * (number + 1)),
                client.post("/v1/extract/batch", json={"documents": [{"task": name, "text": "x"}]}),
                client.post(f"/v1/extract/{number}", json=BILL),
                client.post(
                    "/v1/extract",
                    json=BILL,
                    headers={"X-Request-Id": f"id-{number}", "User-Agent": f"agent-{number}", "X-Cascade-Detail": "1"},
                ),
                client.post(
                    "/v1/feedback", json={"task": f"t{number}", "field": f"f{number}", "value": "x", "id": "1"}
                ),
                client.post(
                    "/v1/feedback", json={"task": "bills", "field": f"f{number}", "value": "x", "id": f"{number}"}
                ),
                client.request(f"VERB{number}", "/v1/extract"),
            ]
        return [answer.status_code for answer in requests]

    for number in range(4):  # so that both workers have seen everything
        first = hostile(number)
    assert 500 not in first
    before = {key for key in scrape(service) if key[0] not in VOLATILE}
    for number in range(100, 140):
        assert hostile(number) == first
    after = {key for key in scrape(service) if key[0] not in VOLATILE}
    assert after == before
    assert not any("made-up" in value or "evil" in value for _, labels in after for _, value in labels)


def test_counters_never_go_back_and_gauges_of_the_dead_are_gone(
    start: Any, tiny_home: Home, eventually: Callable[..., None]
) -> None:
    service = start(tiny_home, *TWO)

    def ids() -> dict[str, int]:
        return {line["process"]: line["pid"] for line in service.log_lines() if line["message"] == "process started"}

    for _ in range(20):
        assert service.extract(**BILL).status_code == 200
    before, old = scrape(service), ids()
    counters = {key: value for key, value in before.items() if key[0].endswith(("_total", "_count", "_bucket"))}
    assert total(before, "cascade_requests_total") == 20
    for name in ("worker-1", "inference"):
        os.kill(old[name], signal.SIGKILL)
    eventually(lambda: all(ids()[name] != old[name] for name in ("worker-1", "inference")))

    def answered() -> bool:
        try:
            return bool(service.extract(**BILL).json()["status"] == "complete")
        except (httpx.TransportError, KeyError):
            return False

    eventually(answered)
    after = scrape(service)
    for key, value in counters.items():
        assert after[key] >= value, key
    assert total(after, "cascade_requests_total") > 20
    for directory in service.temporary.rglob("metrics"):
        dead = {old["worker-1"], old["inference"]}
        assert not [path for path in directory.glob("gauge_live*") if int(path.stem.rpartition("_")[2]) in dead]


def test_metrics_can_be_off(start: Any, tiny_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADE_METRICS", "off")
    service = start(tiny_home)
    assert service.extract(**BILL).json()["cost"]["amount"] > 0
    answer = service.get("/metrics")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found")


def test_what_answers_were_charged_is_what_the_processes_spent(start: Any, tiny_home: Home) -> None:
    """To a few per cent under load (``benchmarks/cost.py`` says how many); here other programs may hold it up."""
    service = start(tiny_home, *TWO)
    root = service.process.pid
    if process_seconds(root) is None:
        pytest.skip("this system has no /proc")
    processes = [root, *descendants(root)]

    def spent() -> float:
        return sum(process_seconds(process) or 0.0 for process in processes)

    def ask(count: int) -> float:
        with service.client() as client:
            return sum(client.post("/v1/extract", json=BILL).json()["cost"]["amount"] for _ in range(count))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, [10] * 4))
        before = spent()
        charged = sum(threads.map(ask, [150] * 4)) / Prices().cpu_second
        took = spent() - before
    assert 0.85 * took < charged < 1.05 * took
