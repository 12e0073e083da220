from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.evaluation.dataset import text_digest

RULES = r"""
field: total
rules:
  - id: labelled
    kind: anchor
    description: Behind TOTAL.
    priority: 2
    precision: 0.9
    label: TOTAL
    examples: [{text: TOTAL 9.00, value: "9.00"}, {text: SUM 9.00, value: null}]
  - {id: any, kind: pattern, pattern: '\d+\.\d\d', priority: 1, unless: [labelled]}
"""
TEXTS = {"a": ("TOTAL 9.00", "9.00"), "b": ("1.00 or TOTAL 2.00", "1.00"), "c": ("3.00", "3.00")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    (path / "rules" / "bills").mkdir(parents=True)
    (path / "models" / "bills").mkdir(parents=True)
    (path / "rules" / "bills" / "task.yaml").write_text("fields: {total: {type: money}, shop: {}}")
    (path / "rules" / "bills" / "total.yaml").write_text(RULES)
    lines = [json.dumps({"id": key, "text": text, "labels": {"total": total}}) for key, (text, total) in TEXTS.items()]
    (path / "data.jsonl").write_text("\n".join(lines))
    parts = {"train": {key: text_digest(TEXTS[key][0]) for key in "ab"}}
    split = {"task": "bills", "seed": 0, "parts": parts, "groups": {}, "about": {}}
    (path / "models" / "bills" / "split.json").write_text(json.dumps(split))
    return path


def run(home: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "rules", *arguments], input=stdin)


def test_check_says_how_many_rules_there_are(home: Path) -> None:
    result = run(home, "check")
    assert result.exit_code == 0
    assert result.stdout.startswith("bills: 2 rules, sha256:")


def test_check_says_where_a_rule_is_wrong(home: Path) -> None:
    path = home / "rules" / "bills" / "total.yaml"
    path.write_text(RULES.replace("label: TOTAL", "label: '('"))
    result = run(home, "check", "bills")
    assert result.exit_code == 1
    assert f"{path}: rule labelled: label: not a regular expression" in result.stdout
    [facts] = json.loads(run(home, "check", "--json").stdout).values()
    assert (facts["rule"], facts["key"]) == ("labelled", "label")


def test_unknown_tasks_and_homes_without_tasks_are_wrong_use(home: Path) -> None:
    assert run(home, "check", "nothing").exit_code == 2
    (home / "rules" / "bills" / "task.yaml").unlink()
    result = run(home, "list")
    assert result.exit_code == 2
    assert "has no tasks" in result.stderr


def test_test_runs_the_examples(home: Path) -> None:
    result = run(home, "test")
    assert (result.exit_code, result.stdout) == (0, "2 examples, 0 failed\n")


def test_test_shows_what_failed(home: Path) -> None:
    path = home / "rules" / "bills" / "total.yaml"
    path.write_text(RULES.replace("SUM 9.00", "TOTAL 8.00"))
    result = run(home, "test")
    assert result.exit_code == 1
    assert (
        "bills: total/labelled: 'TOTAL 8.00'\n  expected nothing, found '8.00'\n2 examples, 1 failed" in result.stdout
    )
    [failure] = json.loads(run(home, "test", "--json").stdout)["failed"]
    assert failure == {
        "task": "bills",
        "rule": "total/labelled",
        "text": "TOTAL 8.00",
        "expected": None,
        "found": "8.00",
    }


def test_list_shows_rules_in_the_order_they_are_tried(home: Path) -> None:
    lines = run(home, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["task", "total/labelled", "total/any"]
    listed = json.loads(run(home, "list", "bills", "--json").stdout)["bills"]
    assert listed[0] == {
        "rule": "total/labelled",
        "kind": "anchor",
        "priority": 2,
        "precision": 0.9,
        "examples": 2,
        "description": "Behind TOTAL.",
    }


def test_explain_shows_what_each_rule_found_and_which_were_not_tried(home: Path) -> None:
    result = run(home, "explain", "bills", "-", stdin="1.00\nTOTAL 2.00")
    assert "total: '2.00' by total/labelled" in result.stdout
    assert "line 2: '2.00' (2.00)" in result.stdout
    assert "not tried" in result.stdout
    assert "shop: nothing" in result.stdout
    found = json.loads(run(home, "explain", "bills", "-", "--json", stdin="1.00").stdout)
    assert found["total"]["best"]["source"] == "total/any"
    assert [rule["outcome"] for rule in found["total"]["rules"]] == ["nothing", "found"]
    assert found["shop"] == {"best": None, "rules": []}


def test_explain_reads_any_bytes(home: Path) -> None:
    (home / "odd.txt").write_bytes(b"\xff TOTAL 2.00")
    assert "'2.00'" in run(home, "explain", "bills", str(home / "odd.txt")).stdout


def test_measure_counts_on_all_documents_or_a_part(home: Path) -> None:
    data = str(home / "data.jsonl")
    total = json.loads(run(home, "measure", "bills", "--data", data, "--json").stdout)["fields"]["total"]
    assert (total["documents"], total["found"], total["right"]) == (3, 3, 2)
    assert total["rules"]["total/labelled"]["right"] == 1
    part = run(home, "measure", "bills", "--data", data, "--part", "train")
    assert "total: 2 documents" in part.stdout
    assert run(home, "measure", "bills", "--data", data, "--part", "none").exit_code == 2
