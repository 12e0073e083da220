from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.home import Home

BILL = {"task": "bills", "text": "MUTIARA LTD\nbread\nTOTAL 9.00\n"}


def test_one_process_serves_rules_and_student_and_says_what_is_missing(start: Any, tiny_home: Home) -> None:
    service = start(tiny_home)
    answer = service.extract(**BILL).json()
    assert answer["status"] == "complete"
    assert (answer["fields"]["shop"]["value"], answer["fields"]["shop"]["tier"]) == ("MUTIARA LTD", "student")
    assert (answer["fields"]["total"]["normalised"], answer["fields"]["total"]["tier"]) == ("9.00", "rules")
    ready = service.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    said = service.output.read_text()
    assert re.search(r"^task bills: shop, total", said, re.MULTILINE)
    assert re.search(r"^  student ready +[0-9a-f]{12} fp32$", said, re.MULTILINE)
    assert re.search(r"^  large   missing  \S", said, re.MULTILINE)
    assert f"docs    {service.address}/docs" in said
    assert service.stop() == 0


def test_the_log_is_json_with_request_ids_and_without_text(start: Any, tiny_home: Home) -> None:
    service = start(tiny_home)
    with service.client() as client:
        client.post("/v1/extract", json={**BILL, "text": "MUTIARA LTD\nmy secret"}, headers={"X-Request-Id": "r-42"})
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(30) == 0
    lines = service.log_lines()
    (request,) = [line for line in lines if line.get("path") == "/v1/extract"]
    assert (request["request_id"], request["status"], request["task"]) == ("r-42", 200, "bills")
    assert "secret" not in service.log.read_text()


def test_two_workers_share_one_inference_process(start: Any, tiny_home: Home, eventually: Any) -> None:
    service = start(tiny_home, "--workers", "2")
    started = {line["process"]: line["pid"] for line in service.log_lines() if line["message"] == "process started"}
    assert set(started) == {"inference", "worker-1", "worker-2"}
    for _ in range(10):
        answer = service.extract(**BILL).json()
        assert (answer["status"], answer["fields"]["shop"]["tier"]) == ("complete", "student")

    # Whichever worker is asked, the metrics are those of all processes.
    for _ in range(4):
        metrics = service.get("/metrics").text
        assert re.search(r'^cascade_requests_total{.*status="complete".*} 10.0$', metrics, re.MULTILINE)
        assert re.search(r'^cascade_queue_depth{tier="student"} 0.0$', metrics, re.MULTILINE)
        assert len(re.findall(r"^cascade_build_info", metrics, re.MULTILINE)) == 1

    os.kill(started["inference"], signal.SIGKILL)
    eventually(lambda: service.extract(**BILL).json()["status"] == "degraded", 10)
    degraded = service.extract(**BILL)
    assert degraded.status_code == 200
    eventually(lambda: service.extract(**BILL).json()["status"] == "complete")

    os.kill(started["worker-1"], signal.SIGKILL)
    eventually(lambda: any(line.get("process") == "worker-1" and line.get("restarts") for line in service.log_lines()))
    eventually(lambda: service.extract(**BILL).status_code == 200)

    (private,) = service.temporary.glob("cascade-*")
    assert private.stat().st_mode & 0o077 == 0
    assert service.stop() == 0
    assert not list(service.temporary.glob("cascade-*"))
    pids = {line["pid"] for line in service.log_lines() if line["message"] == "process started"}
    assert len(pids) == 5
    assert not [pid for pid in pids if running(pid)]


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_do_not_outlive_a_killed_parent(start: Any, tiny_home: Home, eventually: Any) -> None:
    service = start(tiny_home, "--workers", "2")
    pids = [line["pid"] for line in service.log_lines() if line["message"] == "process started"]
    service.process.kill()
    service.process.wait()
    eventually(lambda: not any(running(pid) for pid in pids))


def cascade(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_cannot_be_served_is_one_clear_line(tiny_home: Home, tmp_path: Path) -> None:
    nothing = cascade("--home", str(tmp_path), "serve", "--port", "0")
    assert (nothing.returncode, nothing.stderr.split("]")[0]) == (2, "error[home-not-found")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = cascade("--home", str(tiny_home.path), "serve", "--port", port)
    assert refused.returncode == 1
    assert re.match(rf"error\[configuration\]: cannot listen on 127.0.0.1, port {port}: ", refused.stderr)
    wrong = cascade("--home", str(tiny_home.path), "serve", CASCADE_WORKERS="none")
    assert wrong.stderr.startswith("error[configuration]: CASCADE_WORKERS: ")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_wrong_rule_file_stops_the_start_with_its_name(tmp_path: Path, workers: str) -> None:
    rules = tmp_path / "rules" / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text("task: bills\nfields:\n  total: {type: money}\n")
    (rules / "total.yaml").write_text("field: total\nrules: [{id: x, kind: magic}]\n")
    stopped = cascade("--home", str(tmp_path), "serve", "--port", "0", "--workers", workers)
    assert stopped.returncode == 1
    assert "error[invalid-rule]: " in stopped.stderr
    assert "total.yaml" in stopped.stderr
    assert "Traceback" not in stopped.stderr
