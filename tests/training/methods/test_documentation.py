"""What docs/methods.md and the cards say is so."""

import inspect
import json
import re
import shlex

import pytest
from click.testing import CliRunner

from training.cli.scaling import scaling
from training.data.select.recipe import SCORES, parse_selection
from training.methods.hooks import Hook
from training.methods.registry import METHODS, make_hooks

CARDS = [
    "training/scaling",
    "training/data/select",
    *(f"training/methods/{name}" for name in METHODS),
]


@pytest.fixture(scope="module")
def page(project_root):
    return (project_root / "docs" / "methods.md").read_text("utf-8")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def indented(text):
    return re.findall(r"^    (\S.*)$", text, re.MULTILINE)


def test_the_lines_shown_are_understood(page):
    methods, selections = blocks(page, "text")
    shown = set()
    for line in methods.splitlines():
        shown.add(line.split()[0])
        assert len(make_hooks([line]).hooks) == 1
    assert shown == set(METHODS)
    for line in selections.splitlines():
        assert parse_selection(line).score in SCORES


@pytest.mark.parametrize("folder", CARDS)
def test_every_method_has_a_card_of_the_same_parts(project_root, folder):
    card = (project_root / folder / "CARD.md").read_text("utf-8")
    parts = ["What it does", "How to use it", "When it helps", "When it does not", "Measured here", "Sources"]
    places = [card.find(f"**{part}.**") for part in parts]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("name", METHODS)
def test_the_lines_on_the_cards_are_understood(project_root, name):
    card = (project_root / "training" / "methods" / name / "CARD.md").read_text("utf-8")
    lines = [line for line in indented(card) if line.split()[0] == name]
    assert lines
    for line in lines:
        make_hooks([line])


def test_the_scores_of_the_card_are_those_of_the_recipe(project_root):
    card = (project_root / "training" / "data" / "select" / "CARD.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z0-9]+)` \|", card, re.MULTILINE)) == set(SCORES)
    for line in indented(card):
        parse_selection(line)


def test_the_points_of_a_hook_are_those_named(page):
    section = page.partition("## A method of your own")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \|$", section, re.MULTILINE)
    points = [name for name, _ in inspect.getmembers(Hook, inspect.isfunction) if not name.startswith("_")]
    assert set(named) == set(points) - {"state_dict", "load_state_dict"}


def test_the_commands_exist_with_their_options(page):
    for line in "".join(blocks(page, "sh")).splitlines():
        words = shlex.split(line)
        if words[0] == "python":
            # The experiments' own tests know these.
            assert words[:3] == ["python", "-m", "training.experiments"]
            continue
        assert words[:2] == ["cascade", "scaling"]
        command = scaling.commands[words[2]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options
    for name, command in scaling.commands.items():
        table = page.partition(f"| option of `{name}`")[2].partition("\n\n")[0]
        described = set(re.findall(r"^\| `(--[a-z-]+)", table, re.MULTILINE))
        assert described == {
            option for parameter in command.params for option in parameter.opts if option.startswith("--")
        }


def test_the_allocation_shown_runs(page):
    line = next(line for line in "".join(blocks(page, "sh")).splitlines() if "allocate" in line)
    result = CliRunner().invoke(scaling, [*shlex.split(line)[2:], "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["serving"]["saved"] > 0


def test_the_benchmark_s_figures_say_where_they_come_from(project_root):
    found = json.loads((project_root / "benchmarks" / "results" / "swat.json").read_text("utf-8"))
    assert {"command", "hardware", "versions", "seed", "threads"} <= set(found["about"])
    for family in found["results"].values():
        assert family["dense"]["times_faster"] == 1.0


def test_the_card_shows_the_benchmark_s_figures(project_root):
    everything = json.loads((project_root / "benchmarks" / "results" / "swat.json").read_text("utf-8"))
    found = everything["results"]
    card = (project_root / "training" / "methods" / "swat" / "CARD.md").read_text("utf-8")
    shown = re.findall(r"^\| ([a-z-]+) \| ([^|]+) \| ([\d.]+) × \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE)
    measured = [
        (family, label, *(f"{row[key]:.2f}" for key in ("times_faster", "operations", "bytes_saved_for_backward")))
        for family, rows in found.items()
        for label, row in rows.items()
        if label != "dense"
    ]
    assert shown == measured
    served = re.findall(r"^\| (float32|int8) \| ([^|]+) \| ([\d.]+) × \| ([\d.]+) MB \|$", card, re.MULTILINE)
    assert served == [
        (kind, label, f"{row['times_faster']:.2f}", f"{row['bytes'] / 1e6:.1f}")
        for kind, rows in everything["serving"].items()
        for label, row in rows.items()
    ]
