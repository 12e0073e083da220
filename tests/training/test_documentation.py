"""What docs/training.md and docs/guarantee.md say is so."""

import itertools
import re
import shlex

import click
import pytest
import yaml

from gateway.evaluation.bounds import labels_to_certify
from training.calibrate.trials import GRID
from training.cli.calibrate import calibrate
from training.cli.train import train
from training.data.split import SplitSizes
from training.export import GATE_POINTS, PARITY_TOLERANCE, SIZE_LIMIT_BYTES
from training.recipe import load_recipe

COMMANDS = {"train": train, "calibrate": calibrate}


@pytest.fixture(scope="module")
def pages(project_root):
    return {name: (project_root / "docs" / f"{name}.md").read_text("utf-8") for name in ("training", "guarantee")}


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def options_of(command: click.Command) -> set[str]:
    found = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return {option for option in found if option.startswith("--")}


def test_commands_exist_with_their_options(pages, tmp_path):
    lines = [line for page in pages.values() for block in blocks(page, "sh") for line in block.splitlines()]
    assert len(lines) >= 3
    for line in lines:
        # Under torchrun the command is the module.
        program, name, _task, *words = shlex.split(re.sub(r"^.*torchrun .* -m gateway ", "cascade ", line))
        assert program == "cascade"
        assert {word for word in words if word.startswith("--")} <= options_of(COMMANDS[name])
        load_recipe(None, [value for flag, value in itertools.pairwise(words) if flag == "--set"])


def test_every_option_of_train_is_described(pages):
    described = set(re.findall(r"^\| `(--[a-z-]+)", pages["training"], re.MULTILINE))
    assert described == options_of(train) - {"--resume"}  # the default


def test_the_recipe_shown_is_a_recipe(pages, tmp_path):
    (block,) = blocks(pages["training"], "yaml")
    (tmp_path / "recipe.yaml").write_text(block, "utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert recipe.split.group_by == ("company", "address")
    assert recipe.sources == tuple(yaml.safe_load(block)["sources"])


def test_the_parts_have_the_shares_named(pages):
    named = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) %(?:, or `split\.\1`)? \|", pages["training"], re.MULTILINE))
    sizes = SplitSizes()
    assert {name: int(share) / 100 for name, share in named.items()} == {
        "development": sizes.development,
        "calibration": sizes.calibration,
        "validation-seen": sizes.validation_seen,
        "validation-unseen": sizes.validation_unseen,
    }
    assert f"larger than {100 * sizes.largest_unseen_group:g} %" in pages["training"].replace("\n", " ")


def test_the_gates_are_those_named(pages):
    text = pages["training"].replace("\n", " ")
    assert f"within {PARITY_TOLERANCE:g}" in text
    assert f"at most {GATE_POINTS:g} points" in text
    assert f"at most {SIZE_LIMIT_BYTES // 2**20} MiB" in text


def test_the_labels_needed_are_right(pages):
    rows = re.findall(r"^\| (0\.\d+) \| (\d+) \|", pages["guarantee"], re.MULTILINE)
    assert len(rows) >= 4
    for target, labels in rows:
        assert int(labels) == labels_to_certify(1 - float(target))


def test_the_list_of_thresholds_is_as_described(pages):
    assert f"from {GRID[0]:g} down to {GRID[-1]:g}" in pages["guarantee"]
    assert list(GRID) == sorted(set(GRID), reverse=True)
