"""What the commands for rules share."""

from __future__ import annotations

import click

from gateway.errors import InputError, UnknownTask
from gateway.home import Home

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
optional_task = click.argument("task", required=False)


def tasks(home: Home, task: str | None) -> list[str]:
    """The task asked for, or all. Nothing of their files is read.

    Raises:
        InputError: the home has no task.
        UnknownTask: it has none of this name.
    """
    names = home.tasks()
    if not names:
        raise InputError(f"{home.rules} has no tasks")
    if task is None:
        return names
    if task not in names:
        raise UnknownTask(f"no task {task[:100]!r}; there are: {', '.join(names)}", detail={"tasks": names})
    return [task]


def shown(value: str | None) -> str:
    """A value as messages show it."""
    return "nothing" if value is None else repr(value)
