"""Data parallelism: two workers train as one does with all micro-batches, and measure the same noise scale."""

import json
import subprocess
import sys

import pytest

from tests.training.methods.noise_scale import worker


def test_two_workers_are_one(tmp_path, project_root):
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.training.methods.noise_scale.worker",
                str(rank),
                str(tmp_path / "meeting"),
                str(tmp_path / f"{rank}.json"),
            ],
            cwd=project_root,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(worker.WORKERS)
    ]
    _, _, model = worker.problem()
    alone = worker.run(0, 1, model, model)
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    for rank in range(worker.WORKERS):
        found = json.loads((tmp_path / f"{rank}.json").read_text("utf-8"))
        assert found["updates"] == alone["updates"] == 9
        assert found["weights"] == pytest.approx(alone["weights"], abs=1e-6)
        assert found["trace"] == pytest.approx(alone["trace"], rel=1e-4)
        assert found["gradient_squared"] == pytest.approx(alone["gradient_squared"], rel=1e-4)
