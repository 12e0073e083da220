"""A training killed at any moment goes on, and ends with the same models as one that was not."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading

import pytest
import yaml

from tests.training.bills import RECIPE, write_data, write_home

#: How often the run is killed, and what decides when.
KILLS, SEED = 3, 7
#: Small, with unlabelled documents and a method whose state must be kept. Folds are runs of their own in the same way.
CHANGES = {
    "folds": {"count": 0},
    "large": {**RECIPE["large"], "loop": {**RECIPE["large"]["loop"], "epochs": 2}},
    "student": {
        **RECIPE["student"],
        "layers": 1,
        "loop": {
            **RECIPE["student"]["loop"],
            "epochs": 3,
            "methods": ["batch_ramp 1, 2 at 50%"],
            "relation_weight": 0.1,
        },
    },
}


def prepare(directory):
    home = write_home(directory / "home", directory / "cache")
    (home.path / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, **CHANGES}), "utf-8")
    write_data(directory / "bills.jsonl", 60, 0)
    write_data(directory / "more.jsonl", 10, 1, labelled=False)
    return home


def start(directory, project_root):
    # Relative paths: the command stands in the results.
    command = [sys.executable, "-m", "gateway", "--home", "home", "train", "bills", "--data", "bills.jsonl"]
    command += ["--unlabelled", "more.jsonl", "--recipe", "home/recipe.yaml"]
    environment = {
        **os.environ,
        "CASCADE_CACHE": str(directory / "cache"),
        "PYTHONPATH": str(project_root),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has its children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def lines_of(process, stop_after=None):
    """What it printed; killed once it has printed ``stop_after`` lines."""
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
    reader.start()
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if len(lines) == stop_after:
            process.send_signal(signal.SIGKILL)
            break
    code = process.wait(timeout=600)
    reader.join(timeout=60)
    process.stdout.close()
    process.stderr.close()
    return lines, code, "".join(errors)


def digests(home):
    """What the models are, by file; of what was measured, all that does not depend on the clock."""
    served = home.models / "bills"
    files = ("student/model.onnx", "student/config.json", "large/adapter.safetensors", "large/config.json")
    files += ("forms.json", "split.json", "recipe.yaml")
    found = {name: hashlib.sha256((served / name).read_bytes()).hexdigest() for name in files}
    policy = json.loads((served / "policy.json").read_text("utf-8"))
    return found, {key: policy[key] for key in ("versions", "targets", "thresholds", "combiners") if key in policy}


# Trains twice, and starts four processes that import torch: about a minute.
def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(tmp_path, project_root):
    (tmp_path / "straight").mkdir()
    (tmp_path / "killed").mkdir()
    expected_home, home = prepare(tmp_path / "straight"), prepare(tmp_path / "killed")
    printed, code, errors = lines_of(start(tmp_path / "straight", project_root))
    assert code == 0, errors
    # Moments are lines of its output: they do not depend on how fast the machine is. The last lines are the summary.
    stages = [number for number, line in enumerate(printed, 1) if line.startswith(("[", "large: ", "student: "))]
    last = next(number for number, line in enumerate(printed, 1) if line.startswith("[report]"))
    rng = random.Random(SEED)
    # A resumed run says less, so that a moment late in the first run may never come: earlier ones are drawn for it.
    moments = [rng.choice([number for number in stages if number <= last // (1 + kill)]) for kill in range(KILLS)]
    reached = set()
    for moment in moments:
        lines, code, errors = lines_of(start(tmp_path / "killed", project_root), stop_after=moment)
        assert code == -signal.SIGKILL, errors
        reached.add(lines[-1])
    lines, code, errors = lines_of(start(tmp_path / "killed", project_root))
    assert code == 0, errors
    assert len(reached) > 1
    assert any("done before" in line or "resuming" in line for line in lines)
    files, policy = digests(home)
    expected_files, expected_policy = digests(expected_home)
    assert files == expected_files
    assert policy == expected_policy
    assert policy["thresholds"]


@pytest.mark.parametrize("signum", [signal.SIGINT])
def test_an_interrupted_run_ends_cleanly_and_says_how_to_go_on(tmp_path, project_root, signum):
    prepare(tmp_path)
    process = start(tmp_path, project_root)
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
    reader.start()
    for line in process.stdout:
        if line.startswith("[large]"):
            process.send_signal(signum)
            break
    process.stdout.read()
    assert process.wait(timeout=120) == 130
    reader.join(timeout=60)
    process.stdout.close()
    process.stderr.close()
    assert "the same command goes on" in errors[0]
    assert "Traceback" not in errors[0]
