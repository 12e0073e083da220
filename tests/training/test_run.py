"""Run directories: stages done once, one process at a time."""

import json
import subprocess
import sys
import textwrap

import pytest

from gateway.errors import ConfigurationError, DirectoryInUse
from training.run import PROVISIONAL, Run, claimed, fingerprint, forget, locked


class Work:
    """Counts how often it was done, and writes a file."""

    def __init__(self, path):
        self.path, self.done = path, 0

    def __call__(self):
        self.done += 1
        self.path.write_text("output", "utf-8")
        return {"times": self.done}


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path / "output")


def test_a_stage_is_done_once(tmp_path, work, capsys):
    assert Run(tmp_path).stage("large", "inputs", [work.path], work) == {"times": 1}
    assert capsys.readouterr().out.startswith("[large] …\n[large] ")
    run = Run(tmp_path)
    assert run.stage("large", "inputs", [work.path], work) == {"times": 1}
    assert work.done == 1
    assert capsys.readouterr().out.startswith("[large] done before (")
    assert set(run.seconds) == {"large"}


def test_other_inputs_or_a_lost_output_make_it_again(tmp_path, work):
    run = Run(tmp_path)
    run.stage("large", "inputs", [work.path], work)
    assert run.stage("large", "others", [work.path], work) == {"times": 2}
    work.path.unlink()
    assert run.stage("large", "others", [work.path], work) == {"times": 3}
    # Inputs of long ago are no longer what the output was made from.
    assert run.stage("large", "inputs", [work.path], work) == {"times": 4}


def test_an_output_that_was_changed_since_is_made_again(tmp_path, work):
    run = Run(tmp_path)
    run.stage("large", "inputs", [work.path], work)
    assert Run(tmp_path).is_done("large", "inputs", [work.path])
    work.path.write_text("another run's", "utf-8")
    assert not Run(tmp_path).is_done("large", "inputs", [work.path])
    run.stage("large", "inputs", [work.path], work)
    assert work.done == 2
    assert work.path.read_text("utf-8") == "output"


def test_a_stage_of_a_version_that_kept_no_digests_is_taken_as_it_is(tmp_path, work):
    Run(tmp_path).stage("large", "inputs", [work.path], work)
    path = tmp_path / "stages.json"
    kept = json.loads(path.read_text("utf-8"))
    del kept["large"]["outputs"]
    path.write_text(json.dumps(kept), "utf-8")
    assert Run(tmp_path).is_done("large", "inputs", [work.path])


def test_a_provisional_result_is_made_again_the_next_time(tmp_path):
    made = []

    def work():
        made.append(None)
        return {PROVISIONAL: "without large", "number": len(made)}

    assert Run(tmp_path).stage("calibrate", "inputs", [], work)["number"] == 1
    assert Run(tmp_path).stage("calibrate", "inputs", [], work)["number"] == 2
    assert Run(tmp_path).seconds == {}


def test_stages_do_not_answer_for_each_other(tmp_path, work):
    run = Run(tmp_path)
    run.stage("large", "inputs", [], work)
    run.stage("student", "inputs", [], work)
    assert work.done == 2
    assert set(Run(tmp_path).seconds) == {"large", "student"}


def test_a_stage_that_failed_is_not_done(tmp_path, work):
    def fail():
        raise KeyboardInterrupt

    run = Run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.stage("large", "inputs", [], fail)
    assert Run(tmp_path).seconds == {}
    assert run.stage("large", "inputs", [], work) == {"times": 1}


def test_fingerprints_tell_inputs_apart_and_ignore_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    values = [{"a": 1}, {"a": 2}, {"b": 1}, [], [[]], "a", None, 1, 1.5]
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint("a", "b") != fingerprint("b", "a")
    assert fingerprint("a", "b") != fingerprint(["a", "b"])


HOLD = """
import sys
from pathlib import Path
from training.run import claimed, locked
with locked(Path(sys.argv[1])), claimed(Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_process(tmp_path, project_root):
    """Another process that works in ``tmp_path / "work"`` and writes to ``tmp_path / "out"``."""
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "work"), str(tmp_path / "out")]
    with subprocess.Popen(
        command, cwd=project_root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()
        process.wait(timeout=60)


def test_two_processes_do_not_work_in_one_directory(tmp_path, other_process):
    problem = rf"another training run \(process {other_process.pid}\) is at work here"
    with pytest.raises(ConfigurationError, match=problem), locked(tmp_path / "work"):
        pytest.fail("it must not get in")
    # Being refused does not throw the other one out.
    with pytest.raises(ConfigurationError, match=problem), locked(tmp_path / "work"):
        pytest.fail("it must not get in")
    other_process.stdin.close()
    assert other_process.wait(timeout=60) == 0
    with locked(tmp_path / "work"):
        pass


def test_two_processes_do_not_write_to_one_directory(tmp_path, other_process):
    # The process is named where the system tells which it is.
    problem = rf"another training run \(process ({other_process.pid}|unknown)\) is at work here"
    with pytest.raises(DirectoryInUse, match=problem) as caught, claimed(tmp_path / "out"):
        pytest.fail("it must not get in")
    assert caught.value.code == "directory-in-use"
    other_process.stdin.close()
    assert other_process.wait(timeout=60) == 0
    with claimed(tmp_path / "out"):
        assert list((tmp_path / "out").iterdir()) == []


def test_nothing_is_forgotten_while_another_process_works(tmp_path, other_process):
    kept = tmp_path / "work" / "large.pt"
    kept.write_text("checkpoint", "utf-8")
    with pytest.raises(ConfigurationError, match="at work here"):
        forget(tmp_path / "work")
    assert kept.exists()
    with pytest.raises(ConfigurationError, match="at work here"), locked(tmp_path / "work"):
        pytest.fail("it must not get in")


def test_the_lock_is_released_whatever_happens(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_forgetting_removes_checkpoints_and_stages_but_not_directories(tmp_path, work):
    run = Run(tmp_path / "work")
    with locked(tmp_path / "work"):
        run.stage("large", "inputs", [], work)
        (tmp_path / "work" / "large.pt").write_text("checkpoint", "utf-8")
        (tmp_path / "work" / "outputs").mkdir()
    fold = tmp_path / "work" / "folds" / "0" / "work"
    with locked(fold):
        Run(fold).stage("large", "inputs", [], work)
    forget(tmp_path / "work")
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == [".lock", "folds", "outputs"]
    # A fold's models are trained anew with the others.
    assert Run(fold).seconds == {}
    assert Run(tmp_path / "work").seconds == {}
    forget(tmp_path / "none")
