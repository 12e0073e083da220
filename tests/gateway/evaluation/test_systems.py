import asyncio

import pytest

from gateway.document import Document
from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.systems import SYSTEMS, as_document, run_systems
from gateway.inference.base import TierStatus

SCRIPT = {
    "student": {
        "a": {"item": [("pen", 0.95), ("ink", 0.9)], "total": [("9.00", 0.7)]},
        "b": {"item": [("cup", 0.5)]},
        "c": {"total": [("5.00", 0.6)]},
    },
    "large": {"b": {"item": [("cup", 0.9)]}, "c": {"total": [("5.00", 0.9)], "item": [("x", 0.2)]}},
}


def values(record, field):
    return [candidate.value for candidate in record.answers[field]]


def test_each_tier_alone_answers_everything_and_the_cascade_what_it_must(run, documents):
    runs = run(documents, SCRIPT)
    assert list(runs) == list(SYSTEMS)
    assert all(len(system.records) == 3 and system.problem is None for system in runs.values())
    rules, student, large, cascade = (runs[name].records for name in SYSTEMS)
    assert values(rules[0], "total") == ["9.00"]
    assert values(rules[0], "item") == []
    assert values(student[0], "item") == ["pen", "ink"]
    assert values(large[0], "total") == []
    # Rules are sure of a's total, the student of its items; b and c go further.
    assert [record.outcome.extraction.tiers for record in cascade] == [
        ("rules", "student"),
        ("rules", "student", "large"),
        ("rules", "student", "large"),
    ]
    assert values(cascade[1], "item") == ["cup"]
    assert cascade[1].outcome.extraction.work["large"].cpu_seconds == 0.1
    assert all(record.outcome.extraction.tiers == ("student",) for record in student)
    assert all(result.state == "accepted" for result in student[0].outcome.extraction.fields.values() if result.present)


def test_systems_take_turns_document_by_document_after_one_warm_up(loaded, documents):
    engine, task, inference = loaded(SCRIPT)
    counted = []
    asyncio.run(
        run_systems(
            engine, task, documents, ("student", "large"), on_document=lambda: counted.append(len(inference.asked))
        )
    )
    warm_up, measured = inference.asked[:2], inference.asked[2:]
    assert warm_up == [("student", "a"), ("large", "a")]
    assert measured == [
        ("student", "a"), ("large", "a"),
        ("large", "b"), ("student", "b"),
        ("student", "c"), ("large", "c"),
    ]  # fmt: skip
    assert counted == [4, 6, 8]


def test_one_document_that_breaks_a_model_does_not_stop_the_rest(run, documents, unavailable):
    script = {
        "student": {**SCRIPT["student"], "b": unavailable},
        "large": {**SCRIPT["large"], "c": ZeroDivisionError("x")},
    }
    runs = run(documents, script)
    student, large, cascade = (runs[name].records for name in ("student", "large", "cascade"))
    assert [record.failure is None for record in student] == [True, False, True]
    assert student[1].failure.code == "tier-unavailable"
    assert "out of order" in student[1].failure.message
    assert student[1].answers == {}
    assert [record.failure is None for record in large] == [True, True, False]
    assert (large[2].failure.code, large[2].failure.message) == ("internal", "ZeroDivisionError: x")
    # The cascade goes on without a tier that is unavailable.
    assert cascade[1].failure is None
    assert cascade[1].outcome.extraction.unavailable == {"student": "student: out of order"}


def test_a_system_that_cannot_be_run_says_why(run, documents):
    statuses = {"student": TierStatus("sha256:s"), "large": TierStatus(None, "no model in models/notes/large")}
    runs = run(documents, SCRIPT, statuses=statuses)
    assert runs["large"].problem == "no model in models/notes/large"
    assert runs["large"].records == ()
    assert len(runs["cascade"].records) == 3
    runs = run(documents, SCRIPT, statuses={}, systems=("student",))
    assert runs["student"].problem == "no model"


def test_the_quality_asked_for_reaches_the_cascade(run, documents):
    lenient = run(documents, SCRIPT, systems=("cascade",), quality=0.9)["cascade"].records
    strict = run(documents, SCRIPT, systems=("cascade",), quality=0.95)["cascade"].records
    assert lenient[0].outcome.extraction.status == "complete"
    assert strict[0].outcome.extraction.status == "review"


def test_no_documents(run):
    assert run([], SCRIPT)["cascade"].records == ()


def test_a_document_goes_without_its_labels_and_with_what_else_is_known():
    labelled = LabelledDocument(
        "a",
        "six",
        {"people": "six"},
        {},
        {"context": ["people", "time"], "lines": [{"text": "six"}], "locale": "en-MY", "reference_date": "2018-01-01"},
    )
    assert as_document(labelled) == Document("six", "a", "people time", [{"text": "six"}], "2018-01-01", "en-MY")
    assert as_document(LabelledDocument("a", "six")) == Document("six", "a")


@pytest.mark.parametrize(
    "extra",
    [{"context": 1}, {"context": ["a", 1]}, {"lines": "x"}, {"lines": ["x"]}, {"locale": []}, {"reference_date": 2018}],
)
def test_what_else_is_known_must_be_well_formed(extra):
    with pytest.raises(DatasetError, match=next(iter(extra))):
        as_document(LabelledDocument("a", "six", {}, {}, extra))
