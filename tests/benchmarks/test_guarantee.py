"""The measured part of docs/guarantee.md is what the result files say."""

import json
from pathlib import Path

from benchmarks import guarantee
from benchmarks.summary import placed


def test_the_page_shows_the_committed_results(project_root: Path) -> None:
    text, wanted = placed(project_root / "docs" / "guarantee.md", "guarantee", guarantee.render())
    assert text == wanted, "run python benchmarks/summary.py"


def test_what_was_not_measured_is_left_out(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(guarantee, "RESULTS", tmp_path)
    assert guarantee.render() == ""
    way = dict.fromkeys(
        ("certified", "accepted", "error", "violations", "reached_student", "reached_large", "cost"), 0.5
    )
    halves = {"0.9": {key: {**way, "error": None} for key in guarantee.WAYS}}
    found = {
        "task": "receipts",
        "repeats": 1000,
        "documents": 188,
        "merchants": 97,
        "parts": ["calibration", "validation-unseen"],
        "command": "resplits.py --out x",
        "by_documents": halves,
        "by_merchants": halves,
    }
    (tmp_path / "resplits.json").write_text(json.dumps(found), "utf-8")
    page = guarantee.render()
    assert "**1,000 resplits** of 188 receipts of 97 merchants" in page
    assert "| documents | 0.9 | certified | 50.0 | 50.0 | – | 50.0 |" in page
    assert "Simulated" not in page
