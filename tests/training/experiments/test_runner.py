"""Runs are done once, by whoever claims them, and written down however they end."""

from dataclasses import replace

import pytest

from gateway.errors import TrainingDiverged
from training.experiments.jobs import Job, Skipped
from training.experiments.ledger import claim, number, read_rows
from training.experiments.runner import do, make_plan


class Pace:
    def training(self, family, token_budget=800):
        return 1.0

    def forward(self, family):
        return 1.0

    def judging(self, family):
        return 1.0


def job(variant, work, seconds=1.0):
    return Job(variant, 0, {"of": variant}, lambda _pace: seconds, work)


def planned(jobs, path):
    return make_plan("toy", "bills", jobs, path, Pace())


def test_what_others_have_claimed_is_left_to_them(tmp_path):
    out, done = tmp_path / "runs.csv", []
    jobs = [job(name, lambda _bench, name=name: done.append(name) or {"f1": 1.0}) for name in ("a", "b")]
    plan = planned(jobs, out)
    with claim(tmp_path / "claims", next(iter(plan.left))):
        assert do(plan, Stub(), out, tmp_path, command="test") == 1
    assert done == ["b"]
    # What another process finished after the plan was made is not done again.
    assert do(plan, Stub(), out, tmp_path, command="test") == 1
    assert done == ["b", "a"]
    assert [row["variant"] for row in read_rows(out)] == ["b", "a"]


def test_a_student_that_diverges_is_a_result(tmp_path):
    def diverge(_bench):
        raise TrainingDiverged("at every rate")

    out = tmp_path / "runs.csv"
    jobs = [job("wild", diverge), job("tame", lambda _bench: {"f1": 90.0, "loss": 0.1})]
    assert do(planned(jobs, out), Stub(), out, tmp_path, command="test") == 2
    wild, tame = read_rows(out)
    assert (wild["outcome"], number(wild, "f1")) == ("diverged", None)
    assert (tame["outcome"], number(tame, "f1")) == ("done", 90.0)
    assert planned(jobs, out).left == {}


def test_a_run_that_cannot_be_made_is_left_out_with_a_note(tmp_path):
    def skip(_bench):
        raise Skipped("no such scores")

    out = tmp_path / "runs.csv"
    assert do(planned([job("none", skip)], out), Stub(), out, tmp_path, command="test") == 1
    (row,) = read_rows(out)
    assert (row["outcome"], row["note"], row["f1"]) == ("skipped", "no such scores", "")
    assert planned([job("none", skip)], out).left == {}


def test_what_waits_is_estimated_and_not_done(tmp_path):
    out = tmp_path / "runs.csv"
    waiting = replace(job("later", lambda _bench: {}, seconds=3600.0), ready=False)
    plan = planned([job("first", lambda _bench: {}), waiting], out)
    assert "0 of 2 runs are done" in plan.describe()
    assert "60 min" in plan.describe()
    assert do(plan, Stub(), out, tmp_path, command="test") == 1
    assert [row["variant"] for row in read_rows(out)] == ["first"]


def test_an_interrupted_experiment_goes_on_where_it_stopped(tmp_path):
    out, calls = tmp_path / "runs.csv", []

    def work(name):
        def run(_bench):
            calls.append(name)
            if calls == ["a", "b"]:
                raise KeyboardInterrupt
            return {}

        return run

    jobs = [job(name, work(name)) for name in ("a", "b", "c")]
    with pytest.raises(KeyboardInterrupt):
        do(planned(jobs, out), Stub(), out, tmp_path, command="test")
    assert do(planned(jobs, out), Stub(), out, tmp_path, command="test") == 2
    assert calls == ["a", "b", "b", "c"]


def test_what_single_runs_print_goes_to_a_log(tmp_path, capfd):
    out = tmp_path / "runs.csv"
    do(planned([job("a", lambda _bench: print("epoch 1") or {})], out), Stub(), out, tmp_path, command="test")
    assert "epoch 1" in (tmp_path / "toy.log").read_text()
    assert "epoch 1" not in capfd.readouterr().out


def test_the_bar_shows_the_time_left_of_all_runs(tmp_path):
    out, said = tmp_path / "runs.csv", []
    jobs = [
        job("a", lambda bench: said.append(bench.remaining(0.0)) or {}, seconds=600.0),
        job("b", lambda bench: {}, seconds=1200.0),
    ]
    do(planned(jobs, out), Stub(), out, tmp_path, command="test", clock=lambda: 0.0)
    assert said == ["30 min left"]


class Stub:
    """A bench for runs that train nothing."""

    remaining = None
