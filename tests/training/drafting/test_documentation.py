"""What docs/data.md and docs/drafting.md say is so."""

import json
import re
import shlex

import click
import pytest
from click.testing import CliRunner

from benchmarks.drafting import table
from gateway.cli.main import main
from gateway.evaluation.bounds import labels_to_certify
from training.cli.data import data
from training.cli.draft import draft
from training.cli.task import task
from training.data.importing import FORMATS, SKIP_REASONS


@pytest.fixture(scope="module")
def pages(project_root):
    return {name: (project_root / "docs" / f"{name}.md").read_text("utf-8") for name in ("data", "drafting")}


def options_of(command: click.Command) -> set[str]:
    found = {option for parameter in command.params for option in parameter.opts}
    return {option for option in found if option.startswith("--")}


def described(page: str) -> set[str]:
    heads = re.findall(r"^\| (`--[^|]+) \|", page, re.MULTILINE)
    return {word for head in heads for word in re.findall(r"--[a-z-]+", head)}


def test_formats_and_reasons_are_listed(pages):
    rows = set(re.findall(r"^\| `([a-z][a-z-]*)` \|", pages["data"], re.MULTILINE))
    assert rows == set(FORMATS) | set(SKIP_REASONS)
    for code, meaning in SKIP_REASONS.items():
        assert f"| `{code}` | {meaning} |" in pages["data"]


def test_every_option_is_described(pages):
    assert described(pages["data"]) == options_of(data.commands["import"]) - {"--json"}
    for command in (data.commands["check"], task.commands["new"]):
        assert all(f"`{option}" in pages["data"] for option in options_of(command) - {"--data", "--json"})
    assert described(pages["drafting"]) == options_of(draft)


def test_commands_shown_are_commands(pages):
    lines = [line for page in pages.values() for line in re.findall(r"^cascade .*$", page, re.MULTILINE)]
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line)[1:]
        command: click.Command = main
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        assert {word for word in words if word.startswith("--")} <= options_of(command)


def test_the_answers_needed_are_right(pages):
    assert (
        f"needs {labels_to_certify(0.1)} answers for 0.9 with 95 %, {labels_to_certify(0.2)} for 0.8"
        in pages["drafting"]
    )


@pytest.mark.parametrize("name", ["data", "task"])
def test_groups_have_help(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "draft" in CliRunner().invoke(main, ["rules", "--help"]).output


def test_the_figures_are_those_measured(pages, project_root):
    results = json.loads((project_root / "benchmarks" / "results" / "drafted-rules.json").read_text("utf-8"))
    [shown] = re.findall(r"<!-- results:drafting -->\n(.*?)\n<!-- /results:drafting -->", pages["drafting"], re.DOTALL)
    assert shown == table(results)
