"""API keys against real worker processes: budgets and rates hold across them, and a restart forgets nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.home import Home
from gateway.policy import Policy, TierEstimate
from gateway.shared.accounts import Accounts

BILL = {"task": "bills", "text": "MUTIARA LTD\nbread\nTOTAL 9.00\n", "max_tier": "student"}
#: CPU seconds the student is expected to take: far more than it does, so that estimates decide.
EXPECTED = TierEstimate(1.0, 0.0)
#: What one request reserves: twice what is expected of the rules (nothing) and the student.
ESTIMATE = 2 * 1.0 * 1.25e-5


def keys(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "keys", *arguments, "--file", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def make(file: Path, *options: str) -> str:
    done = keys(file, "add", "test", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def priced_home(tiny_home: Home, tmp_path: Path) -> Home:
    """The tiny home, with estimates of what its tiers cost."""
    home = Home(shutil.copytree(tiny_home.path, tmp_path / "priced"))
    path = home.models / "bills" / "policy.json"
    policy = Policy.load(path)
    Policy(
        policy.task,
        thresholds=policy.thresholds,
        versions=policy.versions,
        estimates={"rules": TierEstimate(0.0, 0.0), "student": EXPECTED},
    ).save(path)
    return home


def test_two_workers_together_keep_to_a_key_s_budget_and_rate(
    start: Any, priced_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, state = tmp_path / "keys.json", tmp_path / "state"
    # Room for five estimates at the same time; what a request costs in the end is next to nothing.
    poor = make(file, "--daily-budget", str(5.5 * ESTIMATE))
    fast = make(file, "--rate", "0.01", "--burst", "10")
    monkeypatch.setenv("CASCADE_KEYS", str(file))
    monkeypatch.setenv("CASCADE_STATE", str(state))
    service = start(priced_home, "--workers", "2")

    client = service.client()

    def ask(key: str) -> tuple[int, float, str]:
        # On a connection that ends with the answer, so that either worker may get the next.
        response = client.post("/v1/extract", json=BILL, headers={"X-API-Key": key, "Connection": "close"})
        body = response.json()
        return response.status_code, body.get("cost", {}).get("amount", 0.0), body.get("error", {}).get("code", "")

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, [fast] * 40))
    assert [status for status, _, _ in found].count(200) == 10
    assert {code for status, _, code in found if status != 200} == {"rate-limited"}

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, [poor] * 60))
    spent = sum(amount for _, amount, _ in found)
    assert 1 <= [status for status, _, _ in found].count(200) < 60
    assert {code for status, _, code in found if status != 200} <= {"budget-exhausted"}
    assert spent <= 5.5 * ESTIMATE
    client.close()

    # Nothing stays reserved, and what was spent is known to whoever serves next.
    assert service.stop() == 0
    assert (state / "accounts").stat().st_mode & 0o077 == 0
    accounts = Accounts(state / "accounts")
    assert accounts.spent_today(poor.split("_")[1]) == pytest.approx(spent)
    accounts.close()
    log = service.log.read_text()
    assert poor.split("_")[2] not in log


def test_places_of_a_killed_worker_are_given_back(
    start: Any, tiny_home: Home, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setenv("CASCADE_MAX_REQUESTS_MACHINE", "1")
    monkeypatch.setenv("CASCADE_BODY_TIMEOUT", "600")
    service = start(tiny_home, "--workers", "2")
    pids = {line["process"]: line["pid"] for line in service.log_lines() if line["message"] == "process started"}
    with service.client() as client:
        holding = client.build_request("POST", "/v1/extract", content=_never_ending())
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(client.send, holding)
            eventually(lambda: service.extract(**BILL).status_code == 503)
            for name in ("worker-1", "worker-2"):
                os.kill(pids[name], signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                held.result(30)
    eventually(lambda: _status(service) == 200)


def _never_ending() -> Iterator[bytes]:
    yield b"{"
    while True:
        time.sleep(0.1)
        yield b" "


def _status(service: Any) -> int:
    try:
        return int(service.extract(**BILL).status_code)
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_file_of_keys_that_is_open_to_others_stops_the_start(
    tiny_home: Home, tmp_path: Path, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys.json"
    make(file)
    file.chmod(0o644)
    monkeypatch.setenv("CASCADE_KEYS", str(file))
    command = [sys.executable, "-m", "gateway", "--home", str(tiny_home.path), "serve", "--port", "0"]
    done = subprocess.run([*command, "--workers", workers], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "error[invalid-keys]: " in done.stderr


def test_documents_are_logged_when_asked_for_and_never_otherwise(
    start: Any, tiny_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    monkeypatch.setenv("CASCADE_LOG_DOCUMENTS", "true")
    loud = start(tiny_home)
    monkeypatch.delenv("CASCADE_LOG_DOCUMENTS")
    quiet = start(tiny_home)
    for service in (loud, quiet):
        with service.client() as client:
            client.post("/v1/extract", json={**BILL, "text": "my secret"}, headers={"traceparent": trace})
            documents = [{"text": "my other secret"}, {"text": "my secret", "wrong": 1}]
            client.post("/v1/extract/batch", json={"task": "bills", "documents": documents})
        assert service.stop() == 0
        lines = service.log_lines()
        single, batch = (line for line in lines if line.get("path", "").startswith("/v1/"))
        assert single["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert (batch["documents"], batch["failed"], batch["status"]) == (2, 1, 200)
        assert ("secret" in service.log.read_text()) is (service is loud)
    warned = [line for line in loud.log_lines() if "CASCADE_LOG_DOCUMENTS IS SET" in line["message"]]
    assert warned
    assert warned[0]["level"] == "warning"


def test_the_keys_command(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    added = json.loads(keys(file, "add", "billing", "--role", "admin", "--days", "1", "--json").stdout)
    assert re.fullmatch(r"cg_[0-9a-f]{12}_[\w-]{43}", added["key"])
    [listed] = [json.loads(line) for line in keys(file, "list", "--json").stdout.splitlines()]
    assert (listed["name"], listed["roles"], listed["state"]) == ("billing", ["admin"], "good")
    assert added["key"][20:] not in json.dumps(listed)
    assert keys(file, "revoke", "0" * 12).returncode == 2
    assert keys(file, "revoke", added["key"]).returncode == 0
    assert "revoked" in keys(file, "list").stdout
    assert keys(file, "add", "x", "--burst", "3").returncode == 2
    assert keys(tmp_path / "none.json", "list").returncode == 1
