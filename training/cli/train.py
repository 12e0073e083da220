"""``cascade train``: from labelled documents to a task's models."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.main import INTERRUPTED, current_home
from training.cli.certified import show

if TYPE_CHECKING:
    from gateway.home import Home
    from training.pipeline import Pipeline


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
@click.option("--size", metavar="SIZE", help="The student's size: auto, latency=MS, parameters=N or a family's name.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where models are trained; auto takes a GPU where there is one.",
)
@click.option("--plan", is_flag=True, help="Only say what is to be done and how long it is likely to take.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where the models go. Default: a new version of the task's models; see `cascade models list TASK`.",
)
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
    size: str | None,
    device: str,
    plan: bool,
    out: Path | None,
    work: Path | None,
    resume: bool,
) -> None:
    """Train a task's large tier and student, calibrate the cascade, and write card and report.

    Every stage shows its progress and is kept: interrupt it whenever you like, and the same command goes on.
    """
    # Imported here so that `cascade --help` does not load torch.
    from training.device import choose_device
    from training.parallel import started
    from training.pipeline import Pipeline
    from training.recipe import load_recipe, recipe_of
    from training.run import forget

    home = current_home()
    spec = home.task(task)
    work = work or home.path / ".cascade" / "train" / task
    if size is not None:
        settings = (*settings, f"student.size={size}")
    chosen = load_recipe(recipe or recipe_of(task), settings)
    where = choose_device(device)
    with started(where) as workers, _quiet(not workers.first):
        if not resume:
            if workers.first:
                forget(work)
            workers.told(None)
        pipeline = Pipeline(
            home=home,
            task=spec,
            recipe=chosen,
            data=data,
            unlabelled=unlabelled,
            out=out or work / "models",
            work=work,
            command=shlex.join(["cascade", *sys.argv[1:]]),
            kept_split=None if out else home.models / task / "split.json",
            device=where,
            workers=workers,
        )
        try:
            policy = pipeline.run(plan_only=plan)
        except KeyboardInterrupt:
            click.echo(
                f"\ninterrupted: finished stages and epochs are kept in {work}; the same command goes on from there",
                err=True,
            )
            click.get_current_context().exit(INTERRUPTED)
        if policy is not None and workers.first:
            show(policy)
            if out is None:
                _publish(home, pipeline)


@contextlib.contextmanager
def _quiet(quiet: bool) -> Iterator[None]:
    """Of several processes only the first speaks."""
    if not quiet:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _publish(home: Home, pipeline: Pipeline) -> None:
    """Keep the result as a version; serve it where nothing is served yet."""
    from gateway.versions import Versions, promote
    from training.report.validation import summary

    task = pipeline.task.name
    versions = Versions(home, task)
    about = {
        "command": pipeline.command,
        "data": {"path": str(pipeline.data), "sha256": pipeline.data_digest},
        "validation": summary(pipeline.validation),
    }
    version = versions.add(pipeline.out, about=about)
    served = versions.served()
    if not served.present:
        promote(home, task, version.name)
        click.echo(f"{task}: version {version.name} is served now, from {versions.served_path}", err=True)
    elif served.name == version.name and not served.changed:
        click.echo(f"{task}: version {version.name} is served already", err=True)
    else:
        click.echo(
            f"{task}: version {version.name} is kept beside what is served; `cascade models promote {task}"
            f" {version.name} --data {shlex.quote(str(pipeline.data))}` serves it if it is at least as good",
            err=True,
        )
