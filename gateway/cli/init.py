"""``cascade init``: write a starter home."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.home import HOME_VARIABLE, write_starter


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Write a starter home (rules/ and models/) to DIRECTORY. Nothing that is there is overwritten."""
    home = write_starter(directory)
    click.echo(f"wrote {home.rules} and {home.models}")
    click.echo(f"tasks: {', '.join(home.tasks())}")
    click.echo(f"next: cd {home.path} (or set {HOME_VARIABLE}), then `cascade models fetch` and `cascade serve`")
