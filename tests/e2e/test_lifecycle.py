"""The service begins, is hurt and ends under load: nobody who was let in goes without an answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving.load import LATE, LOST, REFUSED, Plan, Result
from benchmarks.serving.processes import generate
from gateway.evaluation.dataset import file_digest
from gateway.home import Home
from gateway.policy import Policy
from gateway.tiers.forms import Forms
from gateway.tiers.student import load_student

BILL = {"task": "bills", "text": "MUTIARA LTD\nbread\nTOTAL 9.00\n"}
BODIES = [json.dumps({**BILL, "text": f"MUTIARA LTD\nbread {number}\nTOTAL 9.00\n"}) for number in range(8)]
TWO = ("--workers", "2")


def under_load(service: Any, seconds: float, during: Callable[[], None], *, rate: float = 40.0) -> Result:
    """The result of a steady load on a service while something happens to it."""
    port = int(service.address.rpartition(":")[2])
    return generate(Plan("127.0.0.1", port, BODIES, seconds, rate=rate), during)


def statuses(result: Result) -> Counter[int]:
    return Counter(sample.status for sample in result.samples)


def latest(service: Any) -> dict[str, int]:
    """Process ids by name, the latest of each."""
    return {line["process"]: line["pid"] for line in service.log_lines() if line["message"] == "process started"}


def fetch(address: str, path: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(address + path, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def beginning(tiny_home: Home, tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], str]]]:
    """Starts ``cascade serve`` and does not wait for more than its port."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(*flags: str) -> tuple[subprocess.Popen[bytes], str]:
        output = tmp_path / "out"
        command = [sys.executable, "-m", "gateway", "--home", str(tiny_home.path), "serve", "--port", "0", *flags]
        with output.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        processes.append(process)
        deadline = time.monotonic() + 60
        while (said := re.search(r"^alive +(http://\S+)/healthz", output.read_text(), re.MULTILINE)) is None:
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.01)
        return process, said[1]

    yield begin
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("flags", [(), TWO])
def test_while_models_load_it_is_alive_and_not_ready(beginning: Any, flags: tuple[str, ...]) -> None:
    process, address = beginning(*flags)
    seen: list[tuple[int, str]] = []
    deadline = time.monotonic() + 60
    while not seen or seen[-1][0] != 200:
        assert time.monotonic() < deadline, seen
        status, answer = fetch(address, "/readyz")
        said = answer["error"]["detail"]["status"] if status == 503 else answer["status"]
        if (status, said) not in seen:
            seen.append((status, said))
        if said == "loading":
            # Whichever worker answers: some may be further than others.
            assert fetch(address, "/healthz") == (200, {"status": "ok"})
    assert seen[0] == (503, "loading")
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.parametrize("flags", [(), TWO])
def test_sigterm_under_load_loses_no_request(
    start: Any, tiny_home: Home, flags: tuple[str, ...], eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_DRAIN_SECONDS", "5")  # time to look at it on a busy machine
    service = start(tiny_home, *flags)
    seen: list[tuple[int, str]] = []

    def draining() -> bool:
        status, answer = fetch(service.address, "/readyz")
        if status == 503:
            seen.append((status, answer["error"]["detail"]["status"]))
        return status == 503

    def terminate() -> None:
        time.sleep(1.0)
        service.process.terminate()
        eventually(draining)
        # Whoever does not look at readiness is served as long as connections are taken.
        assert service.extract(**BILL).json()["status"] == "complete"

    # A rate that a busy machine keeps up with, too: what its system has not even handed over is lost when it ends.
    result = under_load(service, 10.0, terminate, rate=15.0)
    assert service.process.wait(30) == 0
    assert seen == [(503, "draining")]
    found = statuses(result)
    assert found[200] > 20
    assert set(found) <= {200, REFUSED}, found
    # It went on serving after the signal, and had ended before the load did.
    last = max(sample.due for sample in result.samples if sample.status == 200)
    first_refused = min(sample.due for sample in result.samples if sample.status == REFUSED)
    assert last > 1.2
    assert first_refused > 1.2


def test_a_second_signal_ends_it_at_once(start: Any, tiny_home: Home) -> None:
    service = start(tiny_home, *TWO)
    service.process.terminate()
    time.sleep(0.2)
    assert service.process.poll() is None
    asked = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0
    assert time.monotonic() - asked < 10.0


def test_kill_9_of_a_worker_harms_only_what_it_was_answering(start: Any, tiny_home: Home, eventually: Any) -> None:
    service = start(tiny_home, *TWO)
    before = latest(service)

    def strike() -> None:
        time.sleep(1.0)
        os.kill(before["worker-1"], signal.SIGKILL)

    result = under_load(service, 4.0, strike)
    found = statuses(result)
    assert found[LATE] == 0
    # At 40 requests a second of a few milliseconds each, one worker has hardly more than two under way, on a busy
    # machine some more; all that came after the blow would be 60.
    assert found[LOST] <= 20, found
    assert found[200] == len(result.samples) - found[LOST], found
    eventually(lambda: latest(service)["worker-1"] != before["worker-1"])
    assert {name: latest(service)[name] for name in ("worker-2", "inference")} == {
        name: before[name] for name in ("worker-2", "inference")
    }


def test_kill_9_of_the_inference_process_degrades_answers_until_it_is_back(
    start: Any, tiny_home: Home, eventually: Any
) -> None:
    service = start(tiny_home, *TWO)

    def strike() -> None:
        time.sleep(1.0)
        os.kill(latest(service)["inference"], signal.SIGKILL)

    result = under_load(service, 3.0, strike)
    assert set(statuses(result)) == {200}
    assert any(sample.degraded for sample in result.samples)
    # Those that came later may be under way when it is struck.
    assert not any(sample.degraded for sample in result.samples if sample.due < 0.5)
    eventually(lambda: service.extract(**BILL).json()["status"] == "complete")
    eventually(lambda: service.get("/readyz").status_code == 200)


def promoted(home: Home) -> str:
    """Put another student and its policy into ``home``, as a promotion does; the student's version."""
    directory = home.models / "bills" / "student"
    config = json.loads((directory / "config.json").read_text())
    model = (directory / "model.onnx").read_bytes()
    # The same network under another name is another file with another digest.
    other = directory / "model.onnx.part"
    other.write_bytes(model.replace(b"student", b"pupil_2"))
    other.replace(directory / "model.onnx")
    config["digests"]["model.onnx"] = file_digest(directory / "model.onnx")
    (directory / "config.json.part").write_text(json.dumps(config))
    (directory / "config.json.part").replace(directory / "config.json")
    version = load_student(directory, home.task("bills"), Forms()).version
    policy = Policy.load(home.models / "bills" / "policy.json")
    (home.models / "bills" / "policy.json").write_text(
        json.dumps(
            {
                **json.loads((home.models / "bills" / "policy.json").read_text()),
                "versions": {**policy.versions, "student": version},
            }
        )
    )
    return version


@pytest.mark.parametrize("flags", [(), TWO])
def test_a_promoted_model_takes_over_with_its_policy_and_without_a_gap(
    start: Any, tiny_home: Home, tmp_path: Path, eventually: Any, flags: tuple[str, ...], monkeypatch: Any
) -> None:
    monkeypatch.setenv("CASCADE_MODEL_POLL_SECONDS", "0.2")
    home = Home(tmp_path / "home")
    shutil.copytree(tiny_home.path, home.path)
    service = start(home, *flags)
    before = service.extract(**BILL).json()["versions"]["student"]
    versions: list[str] = []
    found: list[dict[str, Any]] = []

    def promote() -> None:
        time.sleep(0.5)
        versions.append(promoted(home))
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            answer = service.extract(**BILL).json()
            found.append(answer)
            if answer["versions"]["student"] == versions[0]:
                return
            time.sleep(0.02)

    result = under_load(service, 8.0, promote)
    assert versions[0] != before
    assert {answer["versions"]["student"] for answer in found} == {before, versions[0]}
    assert {answer["status"] for answer in found} == {"complete"}
    assert set(statuses(result)) == {200}
    assert not any(sample.degraded for sample in result.samples)


def test_sighup_takes_up_a_model_at_once(
    start: Any, tiny_home: Home, tmp_path: Path, eventually: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("CASCADE_MODEL_POLL_SECONDS", "0")
    home = Home(tmp_path / "home")
    shutil.copytree(tiny_home.path, home.path)
    service = start(home, *TWO)
    version = promoted(home)
    time.sleep(1.0)
    assert service.extract(**BILL).json()["versions"]["student"] != version
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: service.extract(**BILL).json()["versions"]["student"] == version)
    assert service.extract(**BILL).json()["status"] == "complete"
