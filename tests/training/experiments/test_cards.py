"""The cards say what the summaries say."""

import re

import pytest

from gateway.errors import ConfigurationError, DatasetError
from training.experiments import __main__ as command
from training.experiments import cards
from training.experiments.catalogue import EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_pages_show_what_was_measured(name, project_root):
    experiment = EXPERIMENTS[name]
    for place, show in cards.blocks(experiment):
        page = (project_root / place).read_text("utf-8")
        expected = cards.rendered(experiment, project_root / "training" / "results", show)
        assert cards.shown(page, experiment) == expected, f"python -m training.experiments summarise {name}"


def test_what_was_measured_has_its_runs_beside_it(project_root):
    results = project_root / "training" / "results"
    for experiment in EXPERIMENTS.values():
        summary = cards.summary_path(results, experiment)
        assert not summary.is_file() or cards.ledger_path(results, experiment).is_file()


def test_a_page_is_brought_up_to_date_between_its_marks(tmp_path):
    experiment = EXPERIMENTS["ghost"]
    page = tmp_path / experiment.card
    page.parent.mkdir(parents=True)
    page.write_text("before\n<!-- measured: ghost -->\nold\n<!-- end: ghost -->\nafter\n")
    assert cards.update_cards(experiment, tmp_path, tmp_path) == [page]
    assert page.read_text() == f"before\n<!-- measured: ghost -->\n{cards.NOT_MEASURED}\n<!-- end: ghost -->\nafter\n"
    assert cards.update_cards(experiment, tmp_path, tmp_path) == []
    page.write_text("nothing")
    with pytest.raises(ConfigurationError, match="measured: ghost"):
        cards.update_cards(experiment, tmp_path, tmp_path)


def test_without_runs_there_is_no_summary(tmp_path):
    with pytest.raises(DatasetError, match="ghost"):
        cards.write_summary(EXPERIMENTS["ghost"], tmp_path / "none.csv", tmp_path)


def test_the_page_names_every_experiment_and_option(project_root):
    page = (project_root / "docs" / "methods.md").read_text("utf-8").partition("## What they bring here")[2]
    assert set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)) == set(EXPERIMENTS)
    options = {option for parameter in command.main.commands["batch"].params for option in parameter.opts}
    described = {
        word for cell in re.findall(r"^\| (`--[^|]+) \|", page, re.MULTILINE) for word in re.findall(r"--[a-z-]+", cell)
    }
    assert described == options
    shown = set(re.findall(r"--[a-z][a-z-]+", page))
    summarised = {option for parameter in command.main.commands["summarise"].params for option in parameter.opts}
    assert shown <= options | summarised
