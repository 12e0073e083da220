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


def test_curves_and_probabilities_are_shown_by_task_and_part(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(guarantee, "RESULTS", tmp_path)
    charts = tmp_path / "charts" / "bills" / "validation-seen"
    charts.mkdir(parents=True)
    (charts / "curve.csv").write_text(
        "kind,name,certified,cost,student_share,large_share,accepted_share,selective_error,right_share\n"
        "tier,large,false,1,0,1,1,0.07,0.93\nthreshold,0.5,false,0.1,0,0,1,0,1\ntarget,0.9,true,0.2,1,0.1,0.9,,0.93\n",
        "utf-8",
    )
    (charts / "reliability.csv").write_text(
        "name,error,brier,log_loss,answers\nlarge score,0.03,0.06,0.2,250\nlarge score,0.03,0.06,0.2,250\n", "utf-8"
    )
    page = guarantee.render()
    assert "| bills | validation-seen | large |  | 100.0 | 0.0 | 100.0 | 100.0 | 7.0 | 93.0 |" in page
    assert "| bills | validation-seen | quality 0.9 | yes | 20.0 | 100.0 | 10.0 | 90.0 | – | 93.0 |" in page
    assert page.count("| bills | validation-seen | large score | 0.03 |") == 1
    assert "0.5" not in page
