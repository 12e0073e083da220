"""What docs/promotion.md says is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from gateway.cli.models import models
from gateway.evaluation.promotion import LEAST_DOCUMENTS
from gateway.inference.models import RETIREMENT
from gateway.reload.follower import PAIRING_SECONDS
from gateway.versions.files import MANAGED


def options(name: str) -> set[str]:
    command = models.commands[name]
    assert isinstance(command, click.Command)
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


def test_commands_exist_with_their_options(project_root: Path) -> None:
    page = (project_root / "docs" / "promotion.md").read_text("utf-8")
    [block] = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line) for line in block.splitlines()]
    assert [line[2] for line in lines] == ["list", "promote", "rollback", "prune"]
    for program, group, name, _, *words in lines:
        assert (program, group) == ("cascade", "models")
        assert {word for word in words if word.startswith("--")} <= options(name)
    described = set(re.findall(r"^\| `(--[a-z]+)", page, re.MULTILINE))
    assert described == options("promote")
    assert "`--to VERSION`" in page
    assert options("rollback") == {"--to", "--json"}


def test_what_a_version_holds_is_named(project_root: Path) -> None:
    page = (project_root / "docs" / "promotion.md").read_text("utf-8")
    assert all(f"`{name}`" in page for name in MANAGED)
    assert f"fewer than {LEAST_DOCUMENTS} of them" in page
    # A policy may wait for its models only as long as the models before it still answer.
    assert PAIRING_SECONDS == 10 < RETIREMENT
    assert "waits ten seconds" in page
