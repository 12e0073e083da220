"""The benchmark of reading fewer windows, on a student of a few kilobytes."""

import json
from dataclasses import replace

import pytest

from benchmarks import tasks
from benchmarks.windows import as_served, cascade, from_windows, measure
from gateway.evaluation.dataset import LabelledDocument
from gateway.policy import Policy
from gateway.tiers.forms import Forms
from gateway.tiers.student import load_student
from tests.gateway.tiers.test_windows import CHOOSER, LONG
from tests.gateway.tiers.tiny import TASK, write_student

# The chooser finds the first of two amounts; its window is the third.
DOCUMENTS = [LabelledDocument(str(number), LONG, {"shop": "kedai melur", "total": "rm 9"}) for number in range(4)]


@pytest.fixture
def rows(tmp_path):
    write_student(tmp_path / "student", window=8, stride=0)
    student = load_student(tmp_path / "student", TASK, Forms(), chooser=CHOOSER)
    ways = {
        "student, every": from_windows(TASK, student, lambda windows: windows),
        "student, first and last": as_served(TASK, replace(student, chooser=None)),
        "student, chosen": as_served(TASK, student),
        "student, first": from_windows(TASK, student, lambda windows: windows[:1]),
        "large, every": from_windows(TASK, replace(student, name="large"), lambda windows: windows),
        "cascade": cascade(TASK, Policy(TASK.name), {"student": student}),
    }
    return measure(TASK, ways, DOCUMENTS, ["a", "a", "b", "b"])


def test_each_way_reads_what_it_says_and_pays_for_it(rows):
    assert rows["student, every"]["tokens_a_document"] == len(LONG.split())
    assert rows["student, first and last"]["tokens_a_document"] == len(LONG.split())
    assert rows["student, chosen"]["tokens_a_document"] == 12  # of two windows
    assert rows["student, first"]["tokens_a_document"] == 6
    assert rows["cascade"]["tokens_a_document"] == 12
    assert all(row["cpu_ms_a_document"] > 0 for row in rows.values())
    assert rows["student, every"]["cost_share"] == 1


def test_what_is_lost_is_compared_with_every_window(rows):
    assert rows["student, every"]["f1_difference"] == 0
    assert rows["student, chosen"]["f1_difference"] == rows["student, chosen"]["f1"] - rows["student, every"]["f1"]
    # The amount does not stand in the first window; the shop does.
    assert rows["student, first"]["f1"] == pytest.approx(2 / 3)
    assert rows["student, first"]["f1_difference"] < 0
    assert rows["cascade"]["compared_with"] == "large, every"


def test_the_page_shows_it(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "RESULTS", tmp_path)
    found = {
        "command": "python -m benchmarks.windows --task contracts --data D.jsonl",
        "documents": 4,
        "part": "validation-unseen",
        "mean_characters": 33000,
        "systems": rows,
    }
    (tmp_path / "windows-contracts.json").write_text(json.dumps(found), "utf-8")
    page = tasks.render()
    assert found["command"] in page
    assert "33,000 characters" in page
    assert "| contracts | student, every |" in page
    assert "| **cascade** |" in page
