from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.telemetry import reserving

COUNTING = """
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics
metrics = Metrics.of(Settings.read())
metrics.model_reloads.labels("bills", "replaced").inc()
metrics.breaker_open.labels("own").set(1)
metrics.queue_depth("student", 3)
print(metrics.exposition()[0].decode())
"""


def test_every_metric_file_of_a_process_has_its_blocks_before_it_is_mapped(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTING],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert 'cascade_model_reloads_total{result="replaced",task="bills"} 1.0' in done.stdout
    assert 'cascade_queue_depth{tier="student"} 3.0' in done.stdout
    files = list(tmp_path.iterdir())
    assert {path.name.rpartition("_")[0] for path in files} == set(reserving.KINDS), "a kind of file is not reserved"
    for path in files:
        assert path.stat().st_blocks * 512 >= path.stat().st_size, f"{path.name} has holes"


def test_no_room_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reserving.os, "posix_fallocate", full)
    with pytest.raises(ConfigurationError, match="no room for metrics"):
        reserving.reserve_metric_files(tmp_path)
    assert not list(tmp_path.iterdir())
