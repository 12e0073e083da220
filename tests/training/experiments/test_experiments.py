"""Every experiment on a toy task: its runs are done once, and its summary and table can be made of them."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from tests.training.experiments.toy import tiny
from training.experiments import __main__ as command
from training.experiments import batch, cards, labelling, pilot, scaling, sparse, together
from training.experiments.catalogue import EXPERIMENTS
from training.experiments.jobs import Options, refuse_duplicates
from training.experiments.ledger import read_rows
from training.experiments.pace import MeasuredPace
from training.experiments.runner import do, make_plan


class Pace:
    """A second a token."""

    def training(self, family, token_budget=800):
        return 1.0

    def forward(self, family):
        return 1.0

    def judging(self, family):
        return 1.0


def small(monkeypatch):
    """Sizes that a tiny base can have."""
    monkeypatch.setattr(
        scaling,
        "family_of",
        lambda layers, width, heads: replace(
            tiny(f"narrow-{layers}x{width}"), width=16, heads=1, layers=1 if layers == 1 else 2
        ),
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_runs_have_names_of_their_own_and_a_time(name, material, known, monkeypatch, tmp_path):
    small(monkeypatch)
    for options in (
        Options(known=known),
        Options(full=True, seeds=2, known=known),
    ):
        jobs = EXPERIMENTS[name].jobs(material, options)
        refuse_duplicates(jobs)
        plan = make_plan(name, "bills", jobs, tmp_path / "none.csv", Pace())
        assert len(plan.left) + len(plan.waiting) == len(jobs)
        assert all(seconds > 0 for seconds in plan.seconds.values())
        assert f"{len(jobs)} runs are done" in plan.describe()
        judged = [job.seed for job in jobs if not job.variant.startswith(batch.TUNING)]
        assert judged == sorted(judged)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_runs_and_is_summarised(name, bench, known, monkeypatch, tmp_path):
    small(monkeypatch)
    monkeypatch.setattr(scaling, "BOOTSTRAP", 2)
    # One round shows what there is to see.
    monkeypatch.setattr(labelling, "ROUNDS", 1)
    monkeypatch.setattr(sparse, "SPARSITIES", (50,))
    monkeypatch.setattr(sparse, "UNSTRUCTURED", (50,))
    monkeypatch.setattr(sparse, "ROUNDS", 4)
    monkeypatch.setattr(sparse, "TIMED", sparse.TIMED[:1])
    monkeypatch.setattr(pilot, "EPOCHS", (1, 2))
    monkeypatch.setattr(batch, "RATES", (1.0,))
    experiment = EXPERIMENTS[name]
    options = Options(seeds=1, epochs=1, token_budget=400, known=known)
    out = tmp_path / "runs.csv"

    def planned(pace):
        jobs = experiment.jobs(bench.material, replace(options, rows=read_rows(out)))
        if name == "scaling":
            # A law needs sizes and data; more than that needs time.
            jobs = [job for job in jobs if "2x" in job.variant or "1x" in job.variant or "held" in job.variant]
        if name == "together":
            # An export takes seconds: the first recipe, and the one with everything.
            jobs = [job for job in jobs if job.variant == together.PLAIN or "SWAT" in job.variant]
        return jobs, make_plan(name, "bills", jobs, out, pace, options.context(bench.material))

    jobs, plan = planned(MeasuredPace(bench))
    done = do(plan, bench, out, tmp_path / "work", command="test")
    if plan.waiting:
        # What waited for other runs is ready after them.
        jobs, plan = planned(MeasuredPace(bench))
        assert not plan.waiting
        done += do(plan, bench, out, tmp_path / "work", command="test")
    assert done == len(jobs)
    rows = read_rows(out)
    assert {(row["variant"], int(row["seed"])) for row in rows} == {(job.variant, job.seed) for job in jobs}
    assert {row["outcome"] for row in rows} == {"done"}
    assert planned(Pace())[1].left == {}
    summary = json.loads(json.dumps(cards.write_summary(experiment, out, tmp_path)))
    assert summary["about"]["commands"] == ["test"]
    text = cards.rendered(experiment, tmp_path, experiment.table)
    assert "On `bills`" in text
    assert experiment.table(summary["tasks"]["bills"]) in text


def test_a_budget_begins_nothing_that_would_exceed_it(bench, known, tmp_path):
    jobs = EXPERIMENTS["batch"].jobs(bench.material, Options(seeds=1, epochs=1, known=known))
    plan = make_plan("batch", "bills", jobs, tmp_path / "runs.csv", Pace())
    assert do(plan, bench, tmp_path / "runs.csv", tmp_path, command="test", budget_seconds=10) == 0
    assert read_rows(tmp_path / "runs.csv") == []


def test_the_command_estimates_runs_goes_on_and_summarises(home, data, cache, tmp_path, monkeypatch):
    # The commands' families are too large for the tests' base, but for this one.
    out = tmp_path / "batch.csv"
    arguments = ["batch", "--home", home.path, "--data", data, "--task", "bills", "--base", "tiny", "--seeds", 1]
    arguments += ["--epochs", 1, "--family", "truncated-2", "--limit", 12, "--out", out, "--work", tmp_path / "work"]
    monkeypatch.setattr(batch, "VARIANTS", {batch.SMALL: (), "fixed 8, rate √": ("batch_ramp 8; rate=sqrt",)})
    monkeypatch.setattr("sys.argv", ["x", *map(str, arguments)])

    def call(*more):
        result = CliRunner().invoke(command.main, [str(item) for item in (*arguments, *more)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    # Two seeds and two rates of two variants are tuned; then each is judged once.
    assert "0 of 10 runs are done" in call("--estimate")
    assert not out.exists()
    assert "10 runs done" in call()
    assert "10 of 10 runs are done" in call()
    words = ["summarise", "batch", "--out", str(out), "--results", str(tmp_path), "--no-cards"]
    result = CliRunner().invoke(command.main, words, catch_exceptions=False)
    assert "fixed 8, rate √" in result.output
    assert (tmp_path / "batch.json").is_file()
    assert read_rows(out)[0]["command"].startswith("python -m training.experiments batch --home ")
    assert str(tmp_path) not in read_rows(out)[0]["command"]
