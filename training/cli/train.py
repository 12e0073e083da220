"""``cascade train``: from labelled documents to a task's models."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from gateway.cli.main import current_home
from training.cli.certified import show


@click.command()
@click.argument("task")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled documents, JSON Lines.")
@click.option("--unlabelled", type=click.Path(path_type=Path), help="Documents without labels, for distillation.")
@click.option(
    "--recipe", type=click.Path(path_type=Path), help="A recipe (YAML); by default training/recipes/TASK.yaml."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the recipe, e.g. large.loop.epochs=2.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Where the models go; by default models/TASK of the home.")
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Where checkpoints are kept; by default .cascade/train/TASK of the home.",
)
@click.option(
    "--resume/--no-resume", default=True, help="Go on from what an interrupted run kept (the default), or start anew."
)
def train(
    task: str,
    data: Path,
    unlabelled: Path | None,
    recipe: Path | None,
    settings: tuple[str, ...],
    out: Path | None,
    work: Path | None,
    resume: bool,
) -> None:
    """Train a task's large tier and student, calibrate the cascade, and write the model card.

    Every stage shows its progress and is kept: interrupt it whenever you like, and the same command goes on.
    """
    # Imported here so that `cascade --help` does not load torch.
    from training.pipeline import Pipeline
    from training.recipe import load_recipe, recipe_of
    from training.run import forget

    home = current_home()
    spec = home.task(task)
    work = work or home.path / ".cascade" / "train" / task
    chosen = load_recipe(recipe or recipe_of(task), settings)
    if not resume:
        forget(work)
    pipeline = Pipeline(
        home=home,
        task=spec,
        recipe=chosen,
        data=data,
        unlabelled=unlabelled,
        out=out or home.models / task,
        work=work,
        command=shlex.join(["cascade", *sys.argv[1:]]),
    )
    policy = pipeline.run()
    show(policy)
