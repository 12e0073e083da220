from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.serving import page
from benchmarks.summary import placed


def test_the_page_shows_the_figures_of_the_result_files(project_root: Path) -> None:
    text, wanted = placed(project_root / "docs" / "serving.md", "serving", page.render())
    assert text == wanted, "run python benchmarks/summary.py"


def test_a_missed_aim_is_called_missed() -> None:
    found = page._load("serving-throughput.json")
    assert found is not None
    for name, (_meaning, aim, least) in page.AIMS.items():
        for factor in (0.9, 1.1):
            changed = {**found, "ratios": {name: aim * factor}}
            assert ("| met |" in page.throughput(changed)) is ((factor > 1) is least)
            assert ("| **missed** |" in page.throughput(changed)) is ((factor > 1) is not least)


def test_what_was_not_measured_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    garbage = page._load("garbage.json")
    (tmp_path / "garbage.json").write_text(json.dumps(garbage))
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    assert page.render().startswith("**Garbage**")


def test_a_soak_says_how_long_it_was_and_what_grew() -> None:
    tenth = {"requests": 7200, "latency_ms": {"p50": 1.0, "p99": 9.0}, "statuses": {"200": 7200}}
    usage = [{"memory_mib": 700.0, "handles": 90}, {"memory_mib": 701.5, "handles": 90}]
    found = {
        "rate": 10,
        "whole": {"statuses": {"200": 72000}, "degraded": 0},
        "tenths": [tenth] * 10,
        "usage": usage,
        "growth_mib": 1.5,
        "growth_handles": 0,
        "command": "x",
    }
    text = page.soak(found)
    assert text.startswith("**2.0 hours of mixed load**, 10 requests a second: 72,000 200")
    assert "+1.5 after the first tenth, met" in text
    assert "**missed**" in page.soak({**found, "growth_mib": 500.0})
