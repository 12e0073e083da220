"""Several processes train what one would."""

import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest
import torch

from tests.training.parallel_worker import run
from training.parallel import Workers, workers


def test_alone_nothing_is_exchanged():
    alone = Workers()
    value = object()
    assert workers() == alone
    assert alone.first
    assert alone.told(value) is value
    assert alone.summed([1.0, 2.0]) == [1.0, 2.0]


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def train_together(folder, count, accumulation, methods, root):
    """Start ``count`` processes with what torchrun tells them."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.training.parallel_worker", str(folder), str(accumulation), *methods]
    common = {**os.environ, "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen(
            command,
            cwd=root,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    finished = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, finished
    return finished


# Two processes import torch: some ten seconds.
@pytest.mark.parametrize("methods", [[], ["noise_scale", "batch_ramp 1, 2 at 40%"]], ids=["plain", "methods"])
def test_two_processes_train_what_one_does_with_twice_the_accumulation(tmp_path, methods, project_root):
    finished = train_together(tmp_path / "two", 2, 1, methods, project_root)
    (tmp_path / "one").mkdir()
    run(tmp_path / "one", 2, methods)
    expected = torch.load(tmp_path / "one" / "result-0.pt")
    for rank in (0, 1):
        found = torch.load(tmp_path / "two" / f"result-{rank}.pt")
        for name, values in expected["weights"].items():
            assert torch.allclose(found["weights"][name], values, rtol=1e-3, atol=1e-4), name
        for mine, theirs in zip(found["history"], expected["history"], strict=True):
            assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
            assert set(mine) == set(theirs)
            if "noise_scale" in theirs:
                assert mine["noise_scale"] == pytest.approx(theirs["noise_scale"], rel=0.05)
    first, second = (torch.load(tmp_path / "two" / f"result-{rank}.pt")["weights"] for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    # The first alone writes and speaks.
    assert sorted(path.name for path in (tmp_path / "two").glob("checkpoint*")) == ["checkpoint-0.pt"]
    assert "epoch 3" in finished[0][0]
    assert finished[1] == ("", "")
