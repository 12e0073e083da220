"""Far more than the models can do: what is let in is answered, the rest is told at once, and then all is as before."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving.load import Plan
from benchmarks.serving.processes import Usage, descendants, generate
from gateway.home import Home


@pytest.fixture
def body(project_root: Path) -> str:
    lines = (project_root / "docs" / "samples" / "receipt.txt").read_text("utf-8").splitlines()
    # Without its shop and date rules find neither, so that every request reaches the student.
    text = "\n".join(line for line in lines[7:] if not line.startswith("DATE"))
    return json.dumps({"task": "receipts", "text": text * 4, "max_tier": "student"})


@pytest.mark.parametrize("workers", ["1", "2"])
def test_overload_loses_nobody_and_passes(
    start: Any, project_home: Home, body: str, workers: str, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_QUEUE_LIMIT", "4")
    service = start(project_home, "--workers", workers, "--large", "off")
    port = int(service.address.rpartition(":")[2])

    def memory() -> float:
        return Usage.of([service.process.pid, *descendants(service.process.pid)]).memory_mib

    generate(Plan("127.0.0.1", port, [body], 1.0, connections=8))
    before = memory()
    result = generate(Plan("127.0.0.1", port, [body], 3.0, rate=150.0, timeout=60.0))
    found = Counter(sample.status for sample in result.samples)
    assert set(found) <= {200, 429, 503}, found
    whole = [sample for sample in result.samples if sample.status == 200 and not sample.degraded]
    assert whole
    assert found[503]
    metrics = service.get("/metrics").text
    assert 'cascade_refused_total{code="overloaded"}' in metrics
    assert memory() < before + 64

    answer = service.extract(**json.loads(body)).json()
    assert "student" in answer["tiers"]
    assert "unavailable" not in answer
    eventually(lambda: 'cascade_queue_depth{tier="student"} 0.0' in service.get("/metrics").text)
