import json

import pytest

from gateway.errors import DatasetError, SeenDocuments
from gateway.evaluation.dataset import read_dataset, text_digest
from gateway.evaluation.selection import documents_digest, select_documents
from gateway.policy import Policy


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.jsonl"
    lines = [json.dumps({"id": name, "text": f"text of {name}", "labels": {"total": "1"}}) for name in "abcde"]
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def split(tmp_path):
    def part(*names):
        return {name: text_digest(f"text of {name}") for name in names}

    path = tmp_path / "split.json"
    parts = {"train": part("a"), "development": part("b"), "calibration": part("c"), "validation": part("d", "e")}
    raw = {"task": "notes", "seed": 1, "parts": parts, "groups": {"d": 7, "e": 7}, "about": {}}
    path.write_text(json.dumps(raw), "utf-8")
    return path


def names(selection):
    return [document.id for document in selection.documents]


def test_a_part_with_its_groups(data, split):
    selection = select_documents(data, "notes", split, part="validation")
    assert names(selection) == ["d", "e"]
    assert selection.groups == ("7", "7")
    assert selection.notes == ()


def test_calibration_is_allowed_and_noted(data, split):
    selection = select_documents(data, "notes", split, part="calibration")
    assert names(selection) == ["c"]
    (note,) = selection.notes
    assert "thresholds were chosen" in note


@pytest.mark.parametrize("part", [None, "train", "development"])
def test_what_was_trained_on_is_refused_unless_allowed(data, split, part):
    with pytest.raises(SeenDocuments):
        select_documents(data, "notes", split, part=part)
    selection = select_documents(data, "notes", split, part=part, allow_seen=True)
    assert "used to train this task" in selection.notes[0]
    assert names(selection) == {None: list("abcde"), "train": ["a"], "development": ["b"]}[part]


def test_only_the_first_documents(data, split):
    assert names(select_documents(data, "notes", split, part="validation", limit=1)) == ["d"]
    with pytest.raises(SeenDocuments):
        select_documents(data, "notes", split, limit=1)


def test_without_a_split_all_documents_each_its_own_group(data, tmp_path):
    selection = select_documents(data, "notes", tmp_path / "none.json", limit=3)
    assert names(selection) == list(selection.groups) == ["a", "b", "c"]
    assert "no split.json" in selection.notes[0]
    with pytest.raises(DatasetError, match="no split at"):
        select_documents(data, "notes", tmp_path / "none.json", part="train")


def test_a_split_of_another_task(data, split):
    with pytest.raises(DatasetError, match='belongs to task "notes"'):
        select_documents(data, "receipts", split)


def calibrated_on(part=None, digest=None, variants=()):
    return Policy("notes", about={"part": part, "calibration": {"sha256": digest}}, variants=variants)


def test_the_part_that_a_policy_was_calibrated_on_is_noted_whatever_its_name(data, split):
    def notes(part, policy):
        return select_documents(data, "notes", split, part=part, policy=policy).notes

    (note,) = notes("validation", calibrated_on("validation"))
    assert note.startswith("2 of these documents are of part validation, on which thresholds were chosen")
    assert notes("calibration", calibrated_on("validation")) == ()
    (note,) = notes("validation", calibrated_on("calibration", variants=(calibrated_on("validation"),)))
    assert "of part calibration and validation" in note


def test_the_documents_that_a_policy_was_calibrated_on_are_known_without_a_split(data, tmp_path):
    digest = documents_digest(read_dataset(data))
    none = tmp_path / "none.json"
    *_, note = select_documents(data, "notes", none, policy=calibrated_on("calibration", digest)).notes
    assert note.startswith("5 of these documents are the calibration documents")
    other = select_documents(data, "notes", none, limit=4, policy=calibrated_on("calibration", digest)).notes
    assert len(other) == 1
