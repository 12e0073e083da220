from __future__ import annotations

from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.split import Split
from gateway.policy import Policy
from gateway.task import FieldSpec, TaskSpec
from training.data.check import check_documents
from training.report import calibration_facts, check_facts, data_facts, field_descriptions

TASK = TaskSpec(
    "bills",
    {"shop": FieldSpec("shop", "text"), "item": FieldSpec("item", "text", many=True, null_means="absent")},
    quality=0.9,
)
SECRET = "Mutiara & Sons"


def documents() -> list[LabelledDocument]:
    labels = [
        {"shop": SECRET, "item": ["tea", "ink"]},
        {"shop": SECRET, "item": None},
        {"item": []},
        {"shop": SECRET, "item": ["tea"]},
    ]
    return [
        LabelledDocument(f"d{number}", f"{SECRET}\n{number}\ntea ink", found) for number, found in enumerate(labels)
    ]


def split() -> Split:
    digests = {one.id: one.text_digest for one in documents()}
    parts = {"train": {key: digests[key] for key in ("d0", "d1", "d2")}, "validation-seen": {}}
    return Split("bills", 0, parts, {"d0": 1, "d1": 1, "d2": 2}, {"grouped_by": ["shop"]})


def test_documents_and_values_are_counted_by_part() -> None:
    found = data_facts("a.jsonl", "0" * 64, documents(), split(), TASK, unlabelled=5)
    assert found["parts"] == {"train": 3, "validation-seen": 0}
    assert found["groups"] == {"train": 2, "validation-seen": 0}
    assert found["without_part"] == 1
    assert found["fields"]["shop"]["train"] == {"present": 2, "unannotated": 1, "values": 2}
    assert found["fields"]["item"]["train"] == {"present": 1, "absent": 2, "values": 2}
    assert (found["unlabelled"], found["grouped_by"]) == (5, ["shop"])


def test_what_the_check_found_holds_no_text() -> None:
    many = [LabelledDocument(f"d{number}", f"{SECRET}\n{number}", {"shop": SECRET}) for number in range(60)]
    report = check_documents(many, task=TASK)
    assert SECRET in str(report.as_json())
    found = check_facts(report)
    assert SECRET not in str(found)
    codes = {finding["code"] for finding in found["findings"]}
    assert {"D012", "D060"} <= codes  # one value only, and a field that nobody labels
    assert found["fields"]["shop"]["documents"]["valued"] == 60


def test_without_documents_nothing_is_said_of_calibration() -> None:
    found = calibration_facts(TASK, Policy("bills"), [])
    assert found["documents"] == 0
    assert found["reliability"] == []


def test_fields_are_described_with_their_targets() -> None:
    assert field_descriptions(TASK) == {
        "shop": {"type": "text", "many": False, "quality": 0.9},
        "item": {"type": "text", "many": True, "quality": 0.9},
    }
