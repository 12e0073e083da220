"""``cascade rules``: check, test, list, explain and measure the rules of a task, and publish their schemas."""

from __future__ import annotations

import click

from gateway.cli.main import PluginGroup
from gateway.cli.rules.checking import check, schema
from gateway.cli.rules.explaining import explain
from gateway.cli.rules.measuring import measure_rules
from gateway.cli.rules.testing import list_rules, test


@click.group(cls=PluginGroup)
def rules() -> None:
    """Check, test, list, explain and measure rules, and draft first ones from labelled documents."""


for _command in (check, test, list_rules, explain, measure_rules, schema):
    rules.add_command(_command)

__all__ = ["rules"]
