"""The measured part of docs/audit.md is what the result files say, and benchmarks count what was answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import audits, drift, shift
from benchmarks.summary import placed
from gateway.cascade import AUTHOR, Extraction, FieldResult
from gateway.cost import Cost
from gateway.document import Candidate
from gateway.extraction import Filtered, Outcome

FOUND = (Candidate("9.00", "9.00", "9.00", ((0, 4),), 0.9, "total/x"),)


def test_the_page_shows_the_committed_results(project_root: Path) -> None:
    text, wanted = placed(project_root / "docs" / "audit.md", "audits", audits.render())
    assert text == wanted, "run python benchmarks/summary.py"


def test_results_of_other_alarms_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "RESULTS", tmp_path)
    missing = audits.render()
    assert audits.DRIFT in missing
    assert audits.SHIFT in missing
    (tmp_path / "drift.json").write_text(json.dumps({"delays": [], "false_alarms": []}), "utf-8")
    assert audits.render() == missing


def test_the_page_of_new_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "RESULTS", tmp_path)
    random = np.random.default_rng(1)
    found: dict[str, Any] = {
        "command": "drift it",
        "promise": {"limit": 0.05, "usual_error": 0.03, "limit_of_large": 0.15},
        "alarm": {
            "fields": drift.FIELDS,
            "task": {"alpha": 0.05, "run_length": 100_000.0},
            "test": {"alpha": drift.ALARM.alpha, "run_length": drift.ALARM.run_length},
        },
        "history_answers": drift.HISTORY,
        "horizon_answers": drift.HORIZON,
        "delays": drift.delay(0.2, 0.01, "person", 4, random),
        "false_alarms": [drift.false_alarms(0.03, "person", 200, 4, random)],
    }
    (tmp_path / "drift.json").write_text(json.dumps(found), "utf-8")
    page = audits.render()
    assert "is 0.005 and 500,000" in page
    assert "| person | 20.0 | 1.0 | 100.0 |" in page
    row = {
        "documents": 60,
        "alpha 0.05": {
            **{"runs": 10, "noticed_share": 0.5},
            **{"median_documents_when_noticed": 7.5, "p90_documents_when_noticed": 9},
        },
        "leading_signal": {"digits": 5},
        "peer: windows of 50, Kolmogorov-Smirnov at 5 %": {"noticed_share": 1.0},
    }
    quiet = {**row, "alpha 0.05": {"runs": 10, "noticed_share": 0.0}}
    shifting = {
        "command": "shift it",
        "reference_documents": 120,
        "results": {"reshuffled": quiet, "seen": quiet, "unseen": row, "foreign": row},
        "accepted_with_guarantee": {"foreign": shift.accepted([outcome("accepted", 0.9)])},
    }
    (tmp_path / "shift.json").write_text(json.dumps(shifting), "utf-8")
    page = audits.render()
    assert "| receipts of other countries | 60 | 50.0 | 7.5 (9) | 100.0 | digits |" in page
    assert "| the same mix (calibration and validation-seen parted anew) | 60 | 0.0 |  | 100.0 | digits |" in page
    assert "| foreign | 1 | 0 | 1 | 0 | 50.0 |" in page


def outcome(state: Any, guarantee: Any, filtered: bool = False) -> Outcome:
    """A document with a total as given, and an item in review."""
    total = FieldResult(state, FOUND, "rules", 0.9, guarantee)
    fields = {"total": total, "item": FieldResult("review", (), None, 0.0, None)}
    extraction = Extraction(fields, "review", ("rules",), (), {}, {})
    cost = Cost(0.0, "EUR", None, {})
    return Outcome("bills", None, extraction, cost, {}, {}, Filtered("f", "no") if filtered else None)


def test_only_what_is_accepted_with_a_tested_guarantee_counts_and_filtered_documents_apart() -> None:
    outcomes = [
        outcome("accepted", 0.9),
        outcome("accepted", AUTHOR),
        outcome("accepted", None),
        outcome("review", None),
        outcome("accepted", 0.9, filtered=True),
    ]
    found = shift.accepted(outcomes)
    assert (found["documents"], found["filtered"], found["documents_with_any"], found["documents_with_all"]) == (
        *(5, 1, 1, 0),
    )
    assert (found["fields_share"], found["values_share"]) == (0.1, 0.1)
    assert found["by_field"] == {"total": 1, "item": 0}
