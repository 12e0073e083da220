"""``cascade task``: begin a task."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.main import current_home
from gateway.evaluation.dataset import read_dataset
from gateway.files import write_text
from training.cli.data import fields_option, refuse_to_overwrite
from training.drafting.task_file import draft_task, parse_types


@click.group()
def task() -> None:
    """Begin a task from labelled documents."""


@task.command()
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled documents, JSON Lines.")
@fields_option
@click.option(
    "--type", "types", multiple=True, metavar="FIELD=TYPE", help="The type of a field, where you know better."
)
@click.option("--force", is_flag=True, help="Replace a task.yaml that is there already.")
def new(name: str, data: Path, fields: tuple[str, ...], types: tuple[str, ...], force: bool) -> None:
    """Write rules/NAME/task.yaml for the documents of DATA: fields, types, one or many, what null means, how dates and
    numbers are written. Comments say what each rests on.
    """
    directory = current_home().rules / name
    text = draft_task(name, read_dataset(data), fields, parse_types(types))
    path = directory / "task.yaml"
    refuse_to_overwrite([path], force)
    write_text(path, text)
    click.echo(f"wrote {path}")
    click.echo(f"next: look at it, then: cascade rules draft {name} --data {data}")
