from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.audit.database import Database
from gateway.audit.evidence import Alarm
from gateway.audit.store import AuditedAnswer, AuditStore, Correction
from gateway.cli.main import main
from gateway.document import Document
from gateway.home import Home

ANSWER = AuditedAnswer("bills", "r", "doc", "d", "total", "rules", ("9.00",), (), 0.9, 0.95, 0.05, "policy", "large")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    rules = tmp_path / "rules" / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text("task: bills\nfields:\n  total: {type: money}\n")
    monkeypatch.setenv("CASCADE_STATE", str(tmp_path / "state"))
    return Home(tmp_path)


def audit(home: Home, *words: str) -> Any:
    return CliRunner().invoke(main, ["--home", str(home.path), "audit", *words])


def test_before_anything_was_audited(home: Home, tmp_path: Path) -> None:
    assert audit(home, "report").output == "nothing was audited yet\n"
    assert audit(home, "open", "bills").output == "no open questions\n"
    assert audit(home, "restart", "bills").output == "0 tests begin anew\n"
    assert audit(home, "export", "bills", str(tmp_path / "out.jsonl"), "--json").exit_code == 0
    assert (tmp_path / "out.jsonl").read_text() == ""
    assert not (tmp_path / "state").exists()  # looking leaves no trace


def test_a_report_shows_audits_feedback_and_tests(home: Home) -> None:
    store = AuditStore(Database(home.path / "state" / "audit.sqlite3"))
    store.judged([ANSWER], [("9.00",)], [True], Document("t"), Alarm(0.05))
    store.correct(
        Correction("bills", "total", ("8.00",), request_id="x", answer=("9.00",)), lambda a, b: a == b, Alarm(0.05)
    )
    shown = audit(home, "report", "bills")
    assert shown.exit_code == 0
    assert "0.0-97.5" in shown.output  # no disagreement in one audit
    assert "feedback bills total: 1 volunteered, 1 against" in shown.output
    assert "promise bills all (policy policy, 1 audits): kept" in shown.output
    assert json.loads(audit(home, "report", "--json").output)["audits"][0]["agreed"] == 1


def test_open_questions_are_safe_for_a_terminal(home: Home) -> None:
    store = AuditStore(Database(home.path / "state" / "audit.sqlite3"))
    question = AuditedAnswer(**{**vars(ANSWER), "judge": "person", "value": ("\x1b[2J9.00",)})
    store.ask([question], Document("t"))
    shown = audit(home, "open").output
    assert "\x1b" not in shown
    assert "[2J9.00" in shown


def test_a_wrong_task_is_an_error(home: Home, tmp_path: Path) -> None:
    for words in (("report", "nothing"), ("open", "nothing"), ("restart", "nothing"), ("export", "nothing", "out")):
        assert audit(home, *words).exit_code == 2
    data = tmp_path / "data.jsonl"
    data.write_text("")
    same = audit(home, "reference", "bills", "--data", str(data), "--part", "train")
    assert "must differ" in same.output
