import json

import pytest

from gateway.errors import DatasetError, SeenDocuments
from gateway.evaluation.dataset import LabelledDocument, text_digest
from gateway.evaluation.split import Split

DOCUMENTS = [LabelledDocument(name, f"text of {name}") for name in "abcd"]


def part(*names):
    return {name: text_digest(f"text of {name}") for name in names}


SPLIT = Split(
    "notes",
    1,
    {"train": part("a"), "development": part("b"), "calibration": part("c"), "validation": part("d", "z")},
    {"a": 0, "d": 0},
    {},
)


def test_a_part_in_the_order_of_the_data():
    assert [document.id for document in SPLIT.select(reversed(DOCUMENTS), "validation")] == ["d"]


def test_parts_that_cannot_be_given():
    with pytest.raises(DatasetError, match="there are: train, development, calibration, validation"):
        SPLIT.select(DOCUMENTS, "test")
    with pytest.raises(DatasetError, match="none of the 2 documents"):
        SPLIT.select(DOCUMENTS[:2], "validation")
    with pytest.raises(DatasetError, match="another text"):
        SPLIT.select([LabelledDocument("d", "other")], "validation")


@pytest.mark.parametrize("seen", [DOCUMENTS[0], DOCUMENTS[1], LabelledDocument("copy", "text of a")])
def test_what_was_trained_on_is_recognised_by_its_text(seen):
    with pytest.raises(SeenDocuments, match="1 of these documents") as caught:
        SPLIT.refuse_seen([*DOCUMENTS[2:], seen])
    assert caught.value.detail == {"count": 1, "first": [seen.id]}


def test_other_parts_have_not_been_seen():
    SPLIT.refuse_seen(DOCUMENTS[2:])
    with pytest.raises(SeenDocuments):
        SPLIT.refuse_seen(DOCUMENTS[2:], ("calibration",))


def test_a_document_without_a_group_is_its_own():
    assert SPLIT.group_of(DOCUMENTS[0]) == SPLIT.group_of(DOCUMENTS[3]) == "0"
    assert SPLIT.group_of(DOCUMENTS[1]) == "b"


def test_documents_are_appended_to_what_thresholds_are_certified_on_and_never_change_their_part(tmp_path):
    new = [LabelledDocument("n", "new"), LabelledDocument("n2", "new")]
    done = SPLIT.appended([*DOCUMENTS, *new], about={"date": "today"})
    assert (done.ids, done.known, done.elsewhere) == (("n",), ("c", "n2"), ("a", "b", "d"))
    assert done.split.parts == {**SPLIT.parts, "calibration": {**part("c"), "n": text_digest("new")}}
    assert done.split.about["appended"] == [{"part": "calibration", "documents": 1, "date": "today"}]
    # Nobody has told their merchants apart: all together are one.
    more = done.split.appended([LabelledDocument("m", "more")], "calibration-later").split
    assert more.group_of(LabelledDocument("n", "")) == more.group_of(LabelledDocument("m", "")) == "-1"
    assert list(more.parts["calibration-later"]) == ["m"]
    more.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == more
    assert SPLIT.appended(DOCUMENTS).split is SPLIT
    for name in ("train", "validation", "calibrated"):
        with pytest.raises(DatasetError, match="can be appended"):
            SPLIT.appended(new, name)
    with pytest.raises(DatasetError, match="another text"):
        SPLIT.appended([LabelledDocument("a", "new")])


def test_reading(tmp_path):
    path = tmp_path / "split.json"
    with pytest.raises(DatasetError, match="no split"):
        Split.load(path)
    raw = {"task": "notes", "seed": 1, "parts": dict(SPLIT.parts), "groups": dict(SPLIT.groups), "about": {}}
    path.write_text(json.dumps(raw), "utf-8")
    assert Split.load(path) == SPLIT
    for malformed in ("[]", "{", '{"task": "notes"}'):
        path.write_text(malformed, "utf-8")
        with pytest.raises(DatasetError, match="not a split file"):
            Split.load(path)


def test_the_projects_own_split_keeps_its_parts_apart(project_home):
    for path in sorted(project_home.models.glob("*/split.json")):
        split = Split.load(path)
        texts = [digest for documents in split.parts.values() for digest in set(documents.values())]
        assert len(texts) == len(set(texts)), path
        unseen = {split.groups[name] for name in split.parts.get("validation-unseen", {})}
        elsewhere = {
            split.groups[name]
            for name_of_part, documents in split.parts.items()
            if name_of_part != "validation-unseen"
            for name in documents
        }
        assert not unseen & elsewhere, path
