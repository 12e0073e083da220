from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.home import Home
from training.card import render_card
from training.report import RunReport
from training.report.material import Material


def test_the_card_says_what_was_measured(directory: Path) -> None:
    card = render_card(Material.read(directory))
    for shown in (
        "# Models of the task `bills`",
        "- Fields: shop (text), total (text)",
        "- On: A CPU, 2 cores, torch 2.9; 0.2 hours",
        "A rank-8 adapter",
        "`tiny` (Apache-2.0)",
        "1,234,567 parameters, int8 ONNX, 1.0 MiB",
        "| train | 100 | 50 |",
        "| D040 | warning | shop | 3 |",
        "## Validation",
        "| cascade | 95.0 % [93.0, 97.0] | 95.0 % | 87.5 % | 2.5 % [0.1, 13.2] (1 of 40) | 10.0 % | 12.30 | 12.50 |",
        "| student | not run: no model |",
        "| student combined | 20 | 5.0 % | 0.1000 | 0.3000 |",
        "| rules+student+large | 0.9 | 0.9 | 0.9 |",
        "| shop | 0.9 | yes | 0.625 | 0.9 | 1 of 90 wrong, at most 5.0 % |",
        "| student | 50.00 | 200.00 | 400.00 |",
        "## Limits",
    ):
        assert shown in card, shown
    assert card.count("\n## ") == 9


def test_the_receipts_card_can_be_made_again_from_the_files_beside_it(project_home: Home) -> None:
    directory = project_home.models / "receipts"
    assert render_card(Material.read(directory)) == (directory / "CARD.md").read_text("utf-8")


def test_a_report_survives_its_file(directory: Path) -> None:
    report = RunReport.load(directory)
    report.save(directory)
    assert RunReport.load(directory) == report


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"command": "x"}'])
def test_what_is_no_report_is_refused(content: str, directory: Path) -> None:
    (directory / "training.json").write_text(content)
    with pytest.raises(ConfigurationError, match="not the report of a training run"):
        Material.read(directory)


def test_a_report_of_an_older_version_says_less(directory: Path) -> None:
    raw = {
        "task": "bills",
        "command": "cascade train bills",
        "hardware": {"cpu": "x", "cores": 1},
        "stage_seconds": {},
        "training_hours": 1.0,
        "data": {"parts": {"train": 3}, "unlabelled": 0},
        "alignment": {},
        "large": {"history": []},
        "student": {"history": []},
        "something": "else",
    }
    (directory / "training.json").write_text(json.dumps(raw))
    (directory.parent / "bases.yaml").write_text("bases: {tiny: {licence: MIT}}\n")
    card = render_card(Material.read(directory))
    assert "`tiny` (MIT)" in card
    assert "| train | 3 |" in card
