"""The whole product with a remote large tier behind real processes, and upstreams that fail in every way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from gateway.home import Home
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.tiers.loading import load_model_tiers
from gateway.tiers.rules.tier import RulesTier
from tests.gateway.tiers.large.remote.faulty import (
    Behaviour,
    FaultyServer,
    fields,
    half_body,
    reset,
    says,
    stall,
    trickle,
)

TASK = "task: bills\nquality: 0.9\ntiers: [rules, large]\nfields:\n  shop: {type: text}\n  total: {type: money}\n"
RULES = """\
field: total
rules:
  - {id: after-total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}
"""
TEXT = "MUTIARA LTD\nTOTAL 9.00"
GOOD = fields(shop="Mutiara Ltd")
RECOVERY_SECONDS = 5.0


@pytest.fixture
def upstream() -> Iterator[FaultyServer]:
    with FaultyServer(GOOD) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, upstream: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home where rules find the total and a remote large tier the shop, both trusted."""
    monkeypatch.setenv("BILLS_KEY", "sk-secret-of-the-test")
    monkeypatch.delenv("CASCADE_UPSTREAMS", raising=False)
    path = tmp_path / "home"
    (path / "rules" / "bills").mkdir(parents=True)
    (path / "models" / "bills" / "large").mkdir(parents=True)
    (path / "rules" / "bills" / "task.yaml").write_text(TASK)
    (path / "rules" / "bills" / "total.yaml").write_text(RULES)
    described = {
        "name": "own",
        "base_url": upstream.url,
        "model": "tiny",
        "api_key_env": "BILLS_KEY",
        "prices": {"input_per_1k": 0.1, "output_per_1k": 0.2},
        "timeouts": {"connect": 1, "read": 1, "total": 1.5, "pool": 1},
        "breaker": {"calls": 3, "open": 0.5},
    }
    (path / "upstreams.yaml").write_text(yaml.safe_dump({"upstreams": [described]}))
    remote = {"upstreams": ["own"], "retries": 1, "backoff": 0.05, "longest_backoff": 1.5}
    (path / "models" / "bills" / "large" / "remote.yaml").write_text(yaml.safe_dump(remote))
    home = Home(path)
    task = home.task("bills")
    tier, status = load_model_tiers(home, task)["large"]
    tier.close()  # type: ignore[union-attr]
    threshold = Threshold(0.3, True, 90, 1, 100, 0.05)
    Policy(
        "bills",
        thresholds={chain_name(chain): {name: {0.9: threshold} for name in task.fields} for chain in all_chains()},
        versions={"rules": dict(RulesTier.load(home.rules, task).field_versions), "large": status.version},
    ).save(path / "models" / "bills" / "policy.json")
    return home


def test_the_command_line_answers_with_it(home: Home, tmp_path: Path) -> None:
    document = tmp_path / "bill.txt"
    document.write_text(TEXT)
    command = [sys.executable, "-m", "gateway", "--home", str(home.path), "extract", "bills", str(document), "--json"]
    for flags, tiers in (((), ["rules", "large"]), (("--tiers", "large"), ["large"])):
        done = subprocess.run([*command, *flags], capture_output=True, text=True, check=True, env=os.environ)
        answer = json.loads(done.stdout)
        shop = answer["fields"]["shop"]
        assert (shop["state"], shop["text"], shop["spans"], shop["tier"]) == (
            "accepted",
            "MUTIARA LTD",
            [[0, 11]],
            "large",
        )
        assert shop["source"] == "large/folded"
        assert answer["tiers"] == tiers
        assert answer["cost"]["by_tier"]["large"] > 0.014  # 100 and 20 tokens
        assert "secret" not in done.stdout + done.stderr


FAULTS: dict[str, Behaviour | None] = {
    "stopped": None,
    "stalled": stall,
    "garbage": says(200, b"<html>it works</html>"),
    "429": says(429, b"", retry_after="1"),
    "half-body": half_body,
    "trickle": trickle,
    "reset": reset,
    "500": says(500, b""),
    "invented": fields(shop="WALMART"),
}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_request_is_answered_whatever_the_upstream_does(
    home: Home, upstream: FaultyServer, start: Callable[..., object], workers: str
) -> None:
    service = start(home, "--workers", workers)
    client = httpx.Client(base_url=service.address, timeout=30)

    def ask(_number: int = 0) -> dict[str, object]:
        response = httpx.post(
            f"{service.address}/v1/extract", json={"task": "bills", "text": TEXT, "deadline_ms": 8000}, timeout=30
        )
        assert response.status_code == 200, response.text
        return response.json()

    assert ask()["status"] == "complete"
    with ThreadPoolExecutor(6) as threads:
        for name, fault in FAULTS.items():
            if fault is None:
                upstream.stop()
            else:
                upstream.then = fault
            for answer in threads.map(ask, range(8)):
                assert answer["status"] == ("review" if name == "invented" else "degraded"), (name, answer)
                assert answer["fields"]["total"]["state"] == "accepted"
                assert answer["fields"]["shop"]["state"] == "review"
                assert bool(answer.get("unavailable")) is (name != "invented")
            upstream.then = GOOD
            if fault is None:
                upstream.start()
            restored = time.monotonic()
            while ask()["status"] != "complete":
                assert time.monotonic() - restored < RECOVERY_SECONDS, name
                time.sleep(0.1)
    metrics = client.get("/metrics").text
    client.close()
    assert 'cascade_upstream_requests_total{outcome="timeout",upstream="own"}' in metrics
    assert 'cascade_breaker_open{upstream="own"} 0.0' in metrics
    assert "sk-secret-of-the-test" not in metrics + service.log.read_text() + service.output.read_text()


def test_a_client_that_leaves_ends_the_call_upstream(
    home: Home, upstream: FaultyServer, start: Callable[..., object], eventually: Callable[..., None]
) -> None:
    service = start(home, "--workers", "2")
    upstream.then = stall
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{service.address}/v1/extract", json={"task": "bills", "text": TEXT}, timeout=0.4)
    eventually(lambda: len(upstream.left) == 1 and upstream.under_way == 0, 5.0)


def test_a_file_that_is_wrong_is_said_before_anything_is_served(home: Home) -> None:
    (home.path / "upstreams.yaml").write_text("upstreams:\n- {name: own, base_url: nowhere, model: m}\n")
    command = [sys.executable, "-m", "gateway", "--home", str(home.path), "serve", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "error[invalid-upstreams]: " in done.stderr
    assert "upstreams.0.base_url" in done.stderr
