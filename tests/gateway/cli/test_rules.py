from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.evaluation.dataset import text_digest
from gateway.home import Home
from gateway.loaded import link, read_task
from gateway.policy import Policy, Threshold
from gateway.task import load_task
from gateway.tiers.rules import RulesTier
from gateway.trust import field_identities, rule_digests

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
CERTIFIED = Threshold(0.5, True, 90, 1, 100, 0.05)
EXAMPLE = 'examples: [{text: "9.00", value: "9.00"}]'
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


def test_check_says_how_many_rules_there_are_and_what_may_be_meant(home: Path) -> None:
    result = run(home, "check")
    assert result.exit_code == 0
    *findings, last = result.stdout.splitlines()
    assert last.startswith("bills: 2 rules, sha256:")
    assert last.endswith(", 0 errors, 2 warnings")
    assert [line.split()[1] for line in findings] == ["R023", "R040"]
    assert run(home, "check", "--strict").exit_code == 1
    ignoring = run(home, "check", "--strict", "--ignore", "R040", "--ignore", "R023")
    assert (ignoring.exit_code, len(ignoring.stdout.splitlines())) == (0, 1)
    assert run(home, "check", "--ignore", "R030").exit_code == 2


def test_check_says_where_a_rule_is_wrong(home: Path) -> None:
    path = home / "rules" / "bills" / "total.yaml"
    path.write_text(RULES.replace("label: TOTAL", "label: '('"))
    result = run(home, "check", "bills")
    assert result.exit_code == 1
    assert f"{path}:9:12: R030 error: label: not a regular expression" in result.stdout
    assert "[total/labelled]" in result.stdout
    [facts] = json.loads(run(home, "check", "--json").stdout).values()
    [finding] = [item for item in facts["findings"] if item["severity"] == "error"]
    assert (finding["code"], finding["line"], finding["column"], finding["rule"]) == ("R030", 9, 12, "total/labelled")


def calibrate(home: Path, thresholds: Mapping[str, Mapping[str, Mapping[float, Threshold]]] | None = None) -> None:
    """Write the policy that a calibration of the home as it is now would make."""
    spec = load_task(home / "rules" / "bills" / "task.yaml")
    tier = RulesTier.load(home / "rules", spec)
    versions = {
        "rules": tier.field_versions,
        "rule_digests": rule_digests(tier.rules),
        "fields": field_identities(spec),
    }
    if thresholds is None:
        thresholds = {"rules+student+large": {name: {0.9: CERTIFIED} for name in spec.fields}}
    Policy("bills", thresholds=thresholds, versions=versions).save(home / "models" / "bills" / "policy.json")


def standing(home: Path) -> tuple[list[str], list[str]]:
    """What ``check`` says of the policy, as text; and what ``/readyz`` would."""
    lines = run(home, "check").stdout.splitlines()
    task = link(read_task(Home(home), "bills"), {})
    return [line for line in lines if " R09" in line], [*task.problems, *task.notes]


NEW = "  - {id: new, kind: anchor, label: DUE, examples: [{text: DUE 1.00, value: '1.00'}]}\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "message"),
    [
        ("total.yaml", RULES, RULES + NEW, "total.yaml:12:5", "total/new added since policy.json was calibrated; sho"),
        ("total.yaml", "label: TOTAL", "label: TOTAL|DUE", "total.yaml:4:5", "total/labelled changed"),
        ("total.yaml", RULES.splitlines()[-1], "", "total.yaml:4:3", "total/any removed"),
        ("task.yaml", "money}", "number}", "task.yaml:1:10", "field total: not as policy.json was calibrated"),
        ("task.yaml", "shop: {}", "shop: {quality: 0.95}", "task.yaml:1:1", "shop: no target of 0.95 or more"),
        ("task.yaml", "fields:", "tiers: [rules, student]\nfields:", "task.yaml:1:8", "total: no target of 0.9"),
    ],
)
def test_check_says_what_is_not_as_calibrated_where_it_stands_and_as_readyz_does(
    home: Path, file: str, old: str, new: str, place: str, message: str
) -> None:
    calibrate(home)
    assert standing(home) == ([], [])
    path = home / "rules" / "bills" / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    found, ready = standing(home)
    assert any(line.startswith(f"{home}/rules/bills/{place}: R09") and message in line for line in found), found
    assert sorted(line.partition(" warning: ")[2].partition(" [")[0] for line in found) == sorted(ready)
    *findings, counts = run(home, "check").stdout.splitlines()
    assert counts.endswith(f", 0 errors, {len(findings)} warnings")
    quiet = run(home, "check", "--ignore", "R090", "--ignore", "R091").stdout
    assert "R09" not in quiet


def test_check_names_the_fields_to_calibrate_again(home: Path) -> None:
    calibrate(home)
    assert json.loads(run(home, "check", "--json").stdout)["bills"]["calibrate"] == []
    (home / "rules" / "bills" / "total.yaml").write_text(RULES + NEW)
    assert json.loads(run(home, "check", "--json").stdout)["bills"]["calibrate"] == ["total"]


def test_one_variant_that_certifies_a_field_is_enough_for_check(home: Path) -> None:
    calibrate(home)
    path = home / "models" / "bills" / "policy.json"
    policy = Policy.load(path)
    replace(policy, thresholds={}, variants=(policy,)).save(path)
    assert "R091" not in run(home, "check").stdout
    replace(policy, thresholds={}).save(path)
    assert run(home, "check").stdout.count("R091") == 2


def test_a_task_file_that_cannot_be_read_is_a_finding(home: Path) -> None:
    (home / "rules" / "bills" / "task.yaml").write_text("fields: [")
    result = run(home, "check")
    assert result.exit_code == 1
    assert "R006" in result.stdout


def test_schemas_are_written_and_compared(home: Path) -> None:
    assert run(home, "schema").exit_code == 1
    assert run(home, "schema", "--write").exit_code == 0
    result = run(home, "schema")
    assert (result.exit_code, "up to date" in result.stdout) == (0, True)
    assert run(home, "list").exit_code == 0  # the directory is no task


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
        "bills: total/labelled: 'TOTAL 8.00'\n"
        "  expected nothing, found '8.00'; the field's answer comes from total/labelled\n"
        "2 examples, 1 failed" in result.stdout
    )
    [failure] = json.loads(run(home, "test", "--json").stdout)["failed"]
    assert failure == {
        "task": "bills",
        "rule": "total/labelled",
        "text": "TOTAL 8.00",
        "expected": None,
        "found": "8.00",
        "passed": False,
        "answered_by": "total/labelled",
    }


def test_test_shows_which_rule_answers_and_runs_filters(home: Path) -> None:
    (home / "rules" / "bills" / "filters.yaml").write_text(
        "filters: [{id: short, kind: length, min_words: 2, examples: [{text: a, filtered: true}]}]"
    )
    result = run(home, "test", "--verbose")
    assert (
        "'TOTAL 9.00'\n  expected '9.00', found '9.00'; the field's answer comes from total/labelled" in result.stdout
    )
    assert "'SUM 9.00'\n  expected nothing, found nothing; the field's answer comes from total/any" in result.stdout
    assert "filters/short: 'a'\n  expected 'filtered', found 'filtered'" in result.stdout
    assert "3 examples, 0 failed" in result.stdout


def test_list_shows_rules_in_the_order_they_are_tried(home: Path) -> None:
    lines = run(home, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["task", "total/labelled", "total/any"]
    listed = json.loads(run(home, "list", "bills", "--json").stdout)["bills"]
    assert len(listed[0].pop("digest")) == len("sha256:") + 64
    assert listed[0] == {
        "rule": "total/labelled",
        "kind": "anchor",
        "type": "money",
        "priority": 2,
        "precision": 0.9,
        "author_precision": None,
        "examples": 2,
        "description": "Behind TOTAL.",
    }


def test_explain_shows_what_each_rule_found_and_which_were_not_tried(home: Path) -> None:
    result = run(home, "explain", "bills", "-", stdin="1.00\nTOTAL 2.00")
    assert "total: '2.00' by total/labelled" in result.stdout
    assert "line 2: '2.00' (2.00)" in result.stdout
    assert "not tried: labelled found something" in result.stdout
    assert "shop: nothing" in result.stdout
    found = json.loads(run(home, "explain", "bills", "-", "--json", stdin="1.00").stdout)
    assert found["total"]["best"]["source"] == "total/any"
    assert [rule["outcome"] for rule in found["total"]["rules"]] == ["nothing", "found"]
    assert found["total"]["rules"][0]["reasons"] == [{"kind": "evidence", "message": "label not found", "line": None}]
    assert found["shop"] == {"best": None, "rules": []}
    assert list(json.loads(run(home, "explain", "bills", "-", "--json", "--field", "shop", stdin="x").stdout)) == [
        "shop"
    ]


def test_explain_says_when_a_filter_would_answer(home: Path) -> None:
    (home / "rules" / "bills" / "filters.yaml").write_text("filters: [{id: short, kind: length, min_words: 9}]")
    assert "filtered by short: too short" in run(home, "explain", "bills", "-", stdin="TOTAL 9.00").stdout
    found = json.loads(run(home, "explain", "bills", "-", "--json", stdin="TOTAL 9.00").stdout)
    assert found["filtered"]["filter"] == "short"
    assert found["total"]["best"]["value"] == "9.00"


def test_a_missing_lookup_file_is_told_with_its_rule_and_place(home: Path) -> None:
    path = home / "rules" / "bills" / "total.yaml"
    path.write_text(RULES + "  - {id: known, kind: lookup, match: words, file: gone.csv}\n")
    result = run(home, "list", "bills")
    assert result.exit_code == 1
    line = path.read_text().count("\n")
    assert f"{path}:{line}:51: rule known: file: there is no file gone.csv beside the rule file" in result.stderr
    assert "Errno" not in result.stderr


def test_check_tells_of_a_copy_of_a_task_s_directory(home: Path) -> None:
    task = home / "rules" / "bills" / "task.yaml"
    task.write_text("task: bills\nfields: {total: {type: money}}")
    (home / "rules" / "bills" / "total.yaml").write_text(RULES.replace("unless: [labelled]", EXAMPLE))
    shutil.copytree(home / "rules" / "bills", home / "rules" / "bills-old")
    result = run(home, "check")
    assert result.exit_code == 0
    assert "bills-old/task.yaml:1:1: R018 warning: is a copy of the task 'bills'" in result.stdout
    assert "bills-old: 0 errors, 1 warnings" in result.stdout
    assert run(home, "check", "--strict").exit_code == 1
    assert run(home, "check", "--strict", "--ignore", "R018").exit_code == 0
    assert run(home, "check", "bills", "--strict").exit_code == 0
    assert "bills-old" not in run(home, "list").stdout


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


def test_measure_tells_labels_that_are_no_field_s(home: Path) -> None:
    lines = [{"id": str(n), "text": "TOTAL 9.00", "labels": {"totl": "9.00"}} for n in range(2)]
    (home / "data.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = run(home, "measure", "bills", "--data", str(home / "data.jsonl"))
    assert "2 documents have a label 'totl', and the task has no such field; it has total, shop" in result.stderr
    assert "no document has a label 'total'" in result.stderr
    report = json.loads(run(home, "measure", "bills", "--data", str(home / "data.jsonl"), "--json").stdout)
    assert report["unknown_labels"] == {"totl": 2}


def test_measure_tells_conflicts_dead_rules_and_savings(home: Path) -> None:
    path = home / "rules" / "bills" / "total.yaml"
    path.write_text(RULES.replace(", unless: [labelled]", "") + "  - {id: dead, kind: pattern, pattern: '77777'}\n")
    lines = [
        json.dumps({"id": str(n), "text": f"{n}.50 TOTAL {n}.00", "labels": {"total": f"{n}.00"}}) for n in range(99)
    ]
    (home / "data.jsonl").write_text("\n".join(lines))
    result = run(home, "measure", "bills", "--data", str(home / "data.jsonl"))
    assert "never found anything: total/dead" in result.stdout
    assert "total/labelled and total/any differ on 99: right 99 and 0" in result.stdout
    assert "answers that need no model    99 of 198 (50.0 %)" in result.stdout
    assert "documents that need no model  0 of 99 (0.0 %)" in result.stdout
    report = json.loads(run(home, "measure", "bills", "--data", str(home / "data.jsonl"), "--json").stdout)
    assert report["savings"]["trusted"] == {"total": ["total/labelled"], "shop": []}
    assert report["savings"]["by_rule"] == {"total/labelled": 99}
    total = report["fields"]["total"]
    assert total["dead"] == ["total/dead"]
    assert total["conflicts"] == [{"rules": ["total/labelled", "total/any"], "documents": 99, "right": [99, 0]}]
    # 99 of 99 is not enough to be sure of 99 %.
    strict = run(home, "measure", "bills", "--data", str(home / "data.jsonl"), "--quality", "0.99", "--json")
    assert json.loads(strict.stdout)["savings"]["answers_without_model"] == 0
