"""``cascade models list``, ``promote``, ``rollback`` and ``prune`` on real models of a few kilobytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.home import Home
from gateway.versions import Versions
from tests.gateway.versions.bills import (
    RULES,
    SHOPS,
    bills,
    make_home,
    write_data,
    write_models,
    write_policy,
    write_split,
)

pytest.importorskip("onnx", reason="making a student needs onnx: pip install 'cascade-gateway[dev]'")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "bills.jsonl")


@pytest.fixture
def versions(home: Home) -> Versions:
    return Versions(home, "bills")


def run(home: Home, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.path), "models", *map(str, arguments)])


def add(home: Home, directory: Path, words: tuple[str, ...], data: Path | None = None, **split: int) -> str:
    about: dict[str, Any] = {"command": "cascade train bills"}
    if data is not None:
        about["data"] = {"path": str(data)}
    return Versions(home, "bills").add(write_models(home, directory, words, **split), about=about).name


@pytest.fixture
def poor(home: Home, tmp_path: Path, data: Path) -> str:
    """Knows half of the shops."""
    return add(home, tmp_path / "poor", SHOPS[:2], data)


@pytest.fixture
def good(home: Home, tmp_path: Path, data: Path) -> str:
    return add(home, tmp_path / "good", SHOPS, data)


def test_a_better_version_is_promoted_and_the_comparison_shown(
    home: Home, versions: Versions, poor: str, good: str
) -> None:
    first = run(home, "promote", "bills", poor, "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["comparison"] is None
    result = run(home, "promote", "bills", good, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["promoted"] is True
    assert found["previous"] == poor
    assert versions.served().name == good
    comparison = found["comparison"]
    assert comparison["documents"] == 40
    assert comparison["candidate"]["f1"] == 1.0
    # Of 80 values the poor one misses 20, and says nothing wrong: F1 is 2·60 / (2·60 + 20).
    assert comparison["served"]["f1"] == pytest.approx(120 / 140)
    assert comparison["f1_difference"]["value"] == pytest.approx(1 - 120 / 140)
    low, high = comparison["f1_difference"]["interval"]
    assert 0 < low < 1 - 120 / 140 < high
    assert comparison["candidate"]["error"] == 0.0
    assert comparison["reasons"] == []


def test_people_are_shown_the_same(home: Home, poor: str, good: str) -> None:
    run(home, "promote", "bills", poor)
    text = run(home, "promote", "bills", good).stdout
    for shown in (poor, good, "40 validation documents", "85.71 %", "100.00 %", "+14.29 points", "95 % interval"):
        assert shown in text
    assert f"bills serves {good} now; {poor} is kept: cascade models rollback bills" in text
    assert f"bills serves {good} already" in run(home, "promote", "bills", good).stdout


def test_a_worse_version_is_refused_unless_forced(home: Home, versions: Versions, poor: str, good: str) -> None:
    run(home, "promote", "bills", good)
    before = (versions.served_path / "version.json").read_bytes()
    result = run(home, "promote", "bills", poor, "--json")
    assert result.exit_code == 1
    assert "error[promotion-refused]" in result.stderr
    assert "its F1 is lower: 85.71 % against 100.00 %" in result.stderr
    found = json.loads(result.stdout)
    assert found["promoted"] is False
    assert len(found["reasons"]) == 1
    assert (versions.served_path / "version.json").read_bytes() == before
    forced = run(home, "promote", "bills", poor, "--force")
    assert forced.exit_code == 0
    assert "not compared" in forced.stderr
    assert versions.served().name == poor


def test_forced_with_data_it_is_compared_all_the_same(home: Home, poor: str, good: str, data: Path) -> None:
    run(home, "promote", "bills", good)
    result = run(home, "promote", "bills", poor, "--force", "--data", data)
    assert result.exit_code == 0
    assert "in spite of this: its F1 is lower" in result.stderr
    assert "-14.29 points" in result.stdout


def test_more_wrong_answers_are_a_reason_even_with_a_better_f1(home: Home, tmp_path: Path) -> None:
    # The candidate takes the line of every second bill that names no shop for one: it finds more, and errs more.
    documents = bills()
    for number, document in enumerate(documents):
        rest = str(document["text"]).split("\n", 1)[1]
        if number % 4 == 0:
            document["text"] = f"RM\n{rest}"
            document["labels"] = {"shop": None, "total": f"{number}.50"}
    data = write_data(tmp_path / "odd.jsonl", documents)
    split = {
        "task": "bills",
        "seed": 0,
        "about": {},
        "groups": {},
        "parts": {"validation-unseen": {str(one["id"]): _digest(str(one["text"])) for one in documents}},
    }
    names = []
    for words in (("melur",), ("melur", "bhd", "tea", "rm")):
        source = write_models(home, tmp_path / words[-1], words)
        (source / "split.json").write_text(json.dumps(split))
        names.append(Versions(home, "bills").add(source, about={"data": {"path": str(data)}}).name)
    run(home, "promote", "bills", names[0])
    result = run(home, "promote", "bills", names[1], "--json")
    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    assert found["comparison"]["f1_difference"]["value"] > 0
    assert found["comparison"]["error_difference"]["interval"][0] > 0
    [reason] = found["reasons"]
    assert reason == "more of its accepted values are wrong: 15 of 120 against 0 of 75"


def _digest(text: str) -> str:
    from gateway.evaluation.dataset import text_digest

    return text_digest(text)


def test_a_damaged_version_is_refused_even_when_forced(home: Home, versions: Versions, poor: str, good: str) -> None:
    run(home, "promote", "bills", poor)
    (versions.find(good).path / "student" / "model.onnx").write_bytes(b"other")
    result = run(home, "promote", "bills", good, "--force")
    assert result.exit_code == 1
    assert "error[model-corrupt]" in result.stderr
    assert versions.served().name == poor


def test_a_policy_made_for_other_rules_is_refused(home: Home, versions: Versions, poor: str, good: str) -> None:
    run(home, "promote", "bills", poor)
    (home.rules / "bills" / "total.yaml").write_text(RULES.replace("TOTAL", "TOTAL?"), "utf-8")
    result = run(home, "promote", "bills", good)
    assert result.exit_code == 1
    assert "error[promotion-refused]" in result.stderr
    assert "rules of total: changed since policy.json was calibrated" in result.stderr
    assert versions.served().name == poor
    assert run(home, "promote", "bills", good, "--force").exit_code == 0


def test_a_policy_made_for_another_student_is_refused(home: Home, versions: Versions, tmp_path: Path) -> None:
    source = write_models(home, tmp_path / "out", SHOPS)
    other = write_models(home, tmp_path / "other", SHOPS[:1])
    (source / "policy.json").write_bytes((other / "policy.json").read_bytes())
    result = run(home, "promote", "bills", versions.add(source).name)
    assert result.exit_code == 1
    assert "student: not the model that its policy was calibrated with" in result.stderr
    assert not versions.is_served()


def test_a_student_that_cannot_be_loaded_is_refused(home: Home, versions: Versions, tmp_path: Path) -> None:
    source = write_models(home, tmp_path / "out", SHOPS)
    (source / "student" / "model.onnx").write_bytes(b"no model")
    config = json.loads((source / "student" / "config.json").read_text())
    result = run(home, "promote", "bills", versions.add(source).name)
    assert config["digests"]["model.onnx"]
    assert result.exit_code == 1
    assert "error[promotion-refused]" in result.stderr
    assert not versions.is_served()


def test_the_data_must_hold_the_validation_documents(home: Home, poor: str, good: str, tmp_path: Path) -> None:
    run(home, "promote", "bills", poor)
    few = write_data(tmp_path / "few.jsonl", bills()[:50])
    result = run(home, "promote", "bills", good, "--data", few)
    assert result.exit_code == 1
    assert "error[not-comparable]: 10 of 40 validation documents are not in the data" in result.stderr
    changed = bills()
    changed[59]["text"] = "other"
    result = run(home, "promote", "bills", good, "--data", write_data(tmp_path / "changed.jsonl", changed))
    assert result.exit_code == 1
    assert "1 of 40 validation documents have another text" in result.stderr


def test_data_that_is_not_there_has_to_be_named(home: Home, poor: str, good: str, data: Path) -> None:
    run(home, "promote", "bills", poor)
    data.unlink()
    result = run(home, "promote", "bills", good)
    assert result.exit_code == 2
    assert "error[invalid-request]: name the labelled documents to compare on with --data" in result.stderr


def test_with_another_split_only_documents_that_neither_has_seen_count(
    home: Home, poor: str, versions: Versions, tmp_path: Path, data: Path
) -> None:
    run(home, "promote", "bills", poor)
    mixed = add(home, tmp_path / "mixed", SHOPS, data, seed=3, validation=55)
    old = json.loads((versions.served_path / "split.json").read_text())["parts"]
    new = json.loads((versions.find(mixed).path / "split.json").read_text())["parts"]
    fresh = set(new["validation-unseen"]) - set(old["train"])
    result = run(home, "promote", "bills", mixed, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["comparison"]["documents"] == len(fresh) < 55


def test_too_few_common_documents_are_no_comparison(
    home: Home, poor: str, versions: Versions, tmp_path: Path, data: Path
) -> None:
    run(home, "promote", "bills", poor)
    mixed = add(home, tmp_path / "mixed", SHOPS, data, seed=3, validation=30)
    result = run(home, "promote", "bills", mixed)
    assert result.exit_code == 1
    assert "error[not-comparable]: the version divides the documents otherwise" in result.stderr
    before = (versions.served_path / "split.json").read_bytes()
    forced = run(home, "promote", "bills", mixed, "--force", "--data", data)
    assert forced.exit_code == 0
    assert "not compared" in forced.stderr
    # Models and the split they were trained by go together; the one before is kept with its version.
    assert (versions.served_path / "split.json").read_bytes() != before
    assert (versions.find(poor).path / "split.json").read_bytes() == before


def test_rollback_serves_what_was_served_before(home: Home, versions: Versions, poor: str, good: str) -> None:
    assert run(home, "rollback", "bills").exit_code == 2
    run(home, "promote", "bills", poor)
    run(home, "promote", "bills", good)
    result = run(home, "rollback", "bills", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["version"] == poor
    assert versions.served().name == poor
    assert run(home, "rollback", "bills", "--to", good).exit_code == 0
    assert versions.served().name == good
    assert run(home, "rollback", "bills", "--to", "gone").exit_code == 2


def test_rollback_warns_where_rules_changed_and_goes_on(home: Home, versions: Versions, poor: str, good: str) -> None:
    run(home, "promote", "bills", poor)
    run(home, "promote", "bills", good)
    (home.rules / "bills" / "total.yaml").write_text(RULES.replace("TOTAL", "TOTAL?"), "utf-8")
    result = run(home, "rollback", "bills")
    assert result.exit_code == 0
    assert "in spite of this: rules of total: changed" in result.stderr
    assert versions.served().name == poor


def test_list_shows_versions_and_which_is_served(home: Home, versions: Versions, poor: str, good: str) -> None:
    home.models.mkdir()
    (home.models / "bases.yaml").write_text("usage: {}\nbases: {}\n")
    run(home, "promote", "bills", poor)
    run(home, "promote", "bills", good)
    found = json.loads(run(home, "list", "bills", "--json").stdout)["versions"]["bills"]
    assert (found["served"], found["previous"], found["changed"]) == (good, poor, [])
    assert {one["name"]: one["served"] for one in found["versions"]} == {good: True, poor: False}
    text = run(home, "list", "bills").stdout
    assert f"* {good}" in text
    assert f"  {poor}" in text
    assert "(served before)" in text
    write_policy(home, versions.served_path, 0.6)
    assert f"+ {good}" in run(home, "list", "bills").stdout
    assert f"served: {good}, changed since: policy.json" in run(home, "list", "bills").stdout


def test_prune_removes_only_what_is_not_served(home: Home, poor: str, good: str) -> None:
    run(home, "promote", "bills", good)
    assert run(home, "prune", "bills").exit_code == 2
    assert json.loads(run(home, "prune", "bills", "--keep", 0, "--json").stdout) == {"task": "bills", "removed": [poor]}
    assert "nothing was removed" in run(home, "prune", "bills", "--keep", 0).stdout


@pytest.mark.parametrize(
    "command", [("promote", "nothing", "v"), ("rollback", "../bills"), ("prune", "x", "--keep", 1)]
)
def test_unknown_tasks_are_wrong_use(command: tuple[object, ...], home: Home) -> None:
    result = run(home, *command)
    assert result.exit_code == 2
    assert "error[unknown-task]" in result.stderr


def test_the_split_alone_is_no_version_that_is_served(home: Home, versions: Versions, good: str) -> None:
    versions.served_path.mkdir(parents=True)
    write_split(versions.served_path / "split.json")
    result = run(home, "promote", "bills", good)
    assert result.exit_code == 0, result.output
    assert "nothing was served before" in result.stderr
