"""``python -m training.experiments NAME --home HOME --data DATA.jsonl``: evidence for the methods on a task.

Runs that are written down are not done again; several processes share the work; an interrupted one goes on when called
again. ``summarise NAME`` makes the summary and the tables of the cards from what is written down.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
import transformers

from gateway.errors import CascadeError
from gateway.home import find_home
from training.experiments import cards
from training.experiments.catalogue import EXPERIMENTS
from training.experiments.jobs import Experiment, Options, refuse_duplicates
from training.experiments.ledger import read_rows
from training.experiments.material import Material, load_material
from training.experiments.pace import MeasuredPace
from training.experiments.plateau import WITHHELD
from training.experiments.runner import Plan, do, make_plan
from training.experiments.running import Bench
from training.experiments.scaling import SCALING, write_points

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "training" / "results"
_PATH: Any = click.Path(path_type=Path)


@click.group(help=__doc__)
def main() -> None:
    """See the module."""


def _command(experiment: Experiment) -> click.Command:
    def run(
        home: Path | None,
        data: Path,
        task: str,
        out: Path | None,
        work: Path | None,
        base: str,
        teacher: Path | None,
        teacher_base: str,
        budget_minutes: float | None,
        estimate: bool,
        threads: int,
        limit: int | None,
        withhold: int,
        **choices: Any,
    ) -> None:
        if limit is not None and out is None:
            raise click.UsageError("--limit is for trials, whose runs must not stand among others: give --out too")
        torch.set_num_threads(threads)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        found = find_home(home)
        work = work or found.path / ".cascade" / "experiments" / task
        material = load_material(
            found,
            task,
            data,
            work,
            base=base,
            teacher=teacher,
            teacher_base=teacher_base,
            limit=limit,
            withheld=withhold,
        )
        bench = Bench(material)
        pace = MeasuredPace(bench)
        out = out or cards.ledger_path(RESULTS, experiment)
        ends = None if budget_minutes is None else time.monotonic() + 60.0 * budget_minutes
        count = 0
        while True:
            plan = _plan(experiment, task, material, Options(**choices), out, pace)
            click.echo(plan.describe())
            if estimate or not plan.left:
                break
            budget = None if ends is None else ends - time.monotonic()
            done = do(plan, bench, out, work, command=_typed(), budget_seconds=budget)
            count += done
            # Runs that waited for others may be ready now; what nobody did this time, nobody will do in the next round.
            if not plan.waiting or not done:
                break
        if not count:
            return
        click.echo(f"{count} runs done; `python -m training.experiments summarise {experiment.name}` shows them")

    options = [
        click.option("--home", type=_PATH, help="Where rules/ and models/ lie; as for cascade."),
        click.option("--data", type=_PATH, required=True, help="Labelled documents (JSON Lines)."),
        click.option("--task", default="commands", show_default=True),
        click.option("--out", type=_PATH, help="The CSV file of runs; training/results/NAME.csv by default."),
        click.option("--work", type=_PATH, help="Where scores and claims are kept; HOME/.cascade/experiments/TASK."),
        click.option("--base", default="all-MiniLM-L6-v2", show_default=True, help="What students start from."),
        click.option("--teacher", type=_PATH, help="Teacher probabilities (.npz) for distillation beside the labels."),
        click.option(
            "--teacher-base", default="all-mpnet-base-v2", show_default=True, help="Whose tokens those are of."
        ),
        click.option("--full", is_flag=True, help="The whole grid; by default the small one."),
        click.option("--seeds", type=click.IntRange(1), help="How many, from 0."),
        click.option("--epochs", type=click.IntRange(1), help="Of a run on all documents."),
        click.option("--family", help="The student's family in place of the experiment's own."),
        click.option("--token-budget", type=click.IntRange(1), help="Padded tokens of a batch."),
        click.option(
            "--rate", type=click.FloatRange(0, min_open=True), default=1.0, help="Multiplies all learning rates."
        ),
        click.option(
            "--budget-minutes", type=click.FloatRange(0), help="Begin no run that would probably exceed this."
        ),
        click.option("--estimate", is_flag=True, help="Only print what is left to do and how long it will take."),
        click.option("--threads", type=click.IntRange(1), default=1, show_default=True),
        click.option("--limit", type=click.IntRange(2), help="Most documents of each part, for a trial; needs --out."),
        click.option(
            "--withhold",
            type=click.IntRange(0),
            default=WITHHELD,
            show_default=True,
            help="Training documents that are judged instead of learned from.",
        ),
    ]
    for option in reversed(options):
        run = option(run)
    return click.command(experiment.name, help=f"{experiment.about.capitalize()}.")(run)


def _plan(
    experiment: Experiment, task: str, material: Material, options: Options, out: Path, pace: MeasuredPace
) -> Plan:
    """What is left of an experiment, by what is written down."""
    context = options.context(material)
    rows = [row for row in read_rows(out) if (row["task"], row["context"]) == (task, context)]
    jobs = experiment.jobs(material, replace(options, rows=rows))
    refuse_duplicates(jobs)
    return make_plan(experiment.name, task, jobs, out, pace, context)


def _typed() -> str:
    """The command as one would type it again. Paths are written as seen from here; of those far away the name is
    enough."""

    def plain(word: str) -> str:
        if not os.path.isabs(word):
            return word
        seen = Path(os.path.relpath(word))
        return seen.name if seen.parts.count("..") > 1 else str(seen)

    return shlex.join(["python", "-m", "training.experiments", *map(plain, sys.argv[1:])])


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(EXPERIMENTS)))
@click.option("--out", type=_PATH, help="The CSV file of runs; training/results/NAME.csv by default.")
@click.option("--results", type=_PATH, default=RESULTS, help="Where summaries are written.")
@click.option("--newest", is_flag=True, help="Leave out runs of other settings, data or code than the newest.")
@click.option("--cards/--no-cards", "with_cards", default=True, help="Whether the cards are brought up to date.")
def summarise(names: tuple[str, ...], out: Path | None, results: Path, newest: bool, with_cards: bool) -> None:
    """Make summaries, and the tables of the cards, from the runs that are written down; of all by default."""
    for name in names or tuple(EXPERIMENTS):
        experiment = EXPERIMENTS[name]
        ledger = out or cards.ledger_path(results, experiment)
        if not names and not ledger.is_file():
            click.echo(f"{name}: no runs yet")
            continue
        summary = cards.write_summary(experiment, ledger, results, newest=newest)
        for task, found in summary["tasks"].items():
            click.echo(f"{name} on {task}:\n\n{experiment.table(found)}\n")
        if experiment is SCALING:
            _write_points(ledger, results)
        if with_cards:
            for path in cards.update_cards(experiment, ROOT, results):
                click.echo(f"brought up to date: {path.relative_to(ROOT)}")


def _write_points(ledger: Path, results: Path) -> None:
    rows = read_rows(ledger)
    for task in dict.fromkeys(row["task"] for row in rows):
        write_points([row for row in rows if row["task"] == task], results / f"scaling-{task}.csv")


for _experiment in EXPERIMENTS.values():
    main.add_command(_command(_experiment))


def run() -> None:
    """The command line; an error that is raised on purpose is one line."""
    try:
        main.main(prog_name="python -m training.experiments")
    except CascadeError as error:
        click.echo(f"error[{error.code}]: {error.message}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
