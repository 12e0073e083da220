"""The tables of docs/tasks.md are what the result files say."""

import json
from pathlib import Path

import pytest

from benchmarks import tasks
from benchmarks.summary import placed
from gateway.task import load_task
from training.recipe import load_recipe, recipe_of


def test_the_page_shows_the_committed_results(project_root: Path) -> None:
    text, wanted = placed(project_root / "docs" / "tasks.md", "tasks", tasks.render())
    assert text == wanted, "run python benchmarks/summary.py"


def test_a_task_whose_models_are_not_committed_is_shown_from_its_results(
    project_root: Path, tmp_path, monkeypatch
) -> None:
    results = project_root / "benchmarks" / "results"
    for part in tasks.PARTS:
        (tmp_path / f"eval-commands-{part}.json").write_text(
            (results / f"eval-{part}.json").read_text("utf-8"), "utf-8"
        )
    models = project_root / "models" / "receipts"
    run = json.loads((models / "training.json").read_text("utf-8")) | {"training_hours": 2.25}
    (tmp_path / "training-commands.json").write_text(json.dumps(run), "utf-8")
    (tmp_path / "policy-commands.json").write_text((models / "policy.json").read_text("utf-8"), "utf-8")
    monkeypatch.setattr(tasks, "RESULTS", tmp_path)
    page = tasks.render()
    assert "| commands | 324 | 125 | 127 | 2.2 |" in page
    assert "| commands | company |" in page
    assert "receipts | rules" not in page, "no result of receipts was there"


def test_a_field_without_a_certificate_says_none() -> None:
    passed = {"certified": True, "errors": 1, "accepted": 60}
    policy = {
        "thresholds": {
            "rules": {"date": {"0.8": {"certified": False}}},
            "rules+student": {"date": {"0.8": passed, "0.9": {"certified": False}}},
            tasks.CHAIN: {"date": {"0.8": passed, "0.95": passed, "0.97": {"certified": False}}},
        }
    }
    assert tasks.certified("bills", policy) == [["bills", "date", "none", "0.8", "0.95", "1 of 60"]]


def test_what_is_kept_of_a_task_makes_the_same_tables(project_root: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tasks, "RESULTS", tmp_path)
    tasks.keep("receipts", project_root)
    models = project_root / "models" / "receipts"
    whole, kept = (
        [json.loads((folder / name).read_text("utf-8")) for name in names]
        for folder, names in (
            (models, ("training.json", "policy.json")),
            (tmp_path, ("training-receipts.json", "policy-receipts.json")),
        )
    )
    assert tasks.training("receipts", *kept) == tasks.training("receipts", *whole)
    assert tasks.certified("receipts", kept[1]) == tasks.certified("receipts", whole[1])


@pytest.mark.parametrize("name", ["commands"])
def test_tasks_that_are_not_kept_can_be_made_from_their_files(project_root: Path, name: str) -> None:
    """And have a recipe of their own, which says where the data is from."""
    assert load_task(project_root / "benchmarks" / "task_files" / f"{name}.yaml").name == name
    assert load_recipe(recipe_of(name)).sources
