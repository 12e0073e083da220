import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.document import Candidate
from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import (
    Counts,
    check_labels,
    count_documents,
    count_pair,
    expected_spans,
    expected_values,
    has_spans,
    is_right,
    match,
    total,
)
from gateway.task import FieldSpec, TaskSpec

TASK = TaskSpec("notes", {"total": FieldSpec("total", "money"), "item": FieldSpec("item", "text", many=True)})
MEASURES = ("strict", "normalised", "span")


def answer(*values, spans=((0, 1),)):
    return [Candidate(value, value, value, spans, 0.5, "test") for value in values]


def document(labels, spans=None, identifier="d"):
    return LabelledDocument(identifier, "text of the document", labels, spans or {})


def test_the_worked_example():
    """The example of docs/evaluation.md."""
    documents = [
        document({"total": "RM 9.00", "item": ["pen", "ink", "ink"]}, identifier="1"),
        document({"total": None, "item": []}, identifier="2"),
        document({}, identifier="3"),
        document({"total": "8.00", "item": ["Tea"]}, identifier="4"),
    ]
    answers = [
        {"total": answer("9.00"), "item": answer("ink", "pen", "cup")},
        {"item": answer("pen")},
        {"total": answer("5.00"), "item": answer("box")},
        {"total": answer("7.00"), "item": answer("tea")},
    ]
    strict = count_documents(TASK, documents, answers, "strict")
    normalised = count_documents(TASK, documents, answers, "normalised")
    assert strict.shape == (4, 2, 3)
    assert total(strict[:, 0]) == Counts(0, 2, 2)
    assert total(strict[:, 1]) == Counts(2, 3, 2)
    assert total(normalised[:, 0]) == Counts(1, 1, 1)
    assert total(normalised[:, 1]) == Counts(3, 2, 1)
    micro = total(strict)
    assert micro == Counts(2, 5, 4)
    assert (micro.precision, micro.recall, micro.f1) == pytest.approx((2 / 7, 2 / 6, 4 / 13))
    micro = total(normalised)
    assert micro == Counts(4, 3, 2)
    assert (micro.precision, micro.recall, micro.f1) == pytest.approx((4 / 7, 4 / 6, 8 / 13))


@pytest.mark.parametrize(
    ("closed", "null_means", "labels", "expected"),
    [
        (False, "absent", {}, None),
        (True, "absent", {}, ()),
        (False, "absent", {"item": None}, ()),
        (False, "unannotated", {"item": None}, None),
        (True, "unannotated", {"item": None}, None),
        (True, "unannotated", {}, ()),
        (False, "unannotated", {"item": []}, ()),
        (False, "absent", {"item": "pen"}, ("pen",)),
        (False, "absent", {"item": ["pen", "pen"]}, ("pen", "pen")),
    ],
)
def test_what_is_expected(closed, null_means, labels, expected):
    field = replace(TASK.fields["item"], null_means=null_means)
    task = replace(TASK, closed_labels=closed, fields={**TASK.fields, "item": field})
    assert expected_values(task, document(labels), "item") == expected
    counts = count_pair(task, document(labels), "item", answer("pen"), "strict")
    if expected is None:
        assert counts == Counts()
    elif not expected:
        assert counts == Counts(0, 1, 0)


def test_a_single_field_may_have_a_list_of_one_value_but_not_of_two():
    assert expected_values(TASK, document({"total": ["9.00"]}), "total") == ("9.00",)
    with pytest.raises(DatasetError, match="many: true"):
        expected_values(TASK, document({"total": ["9.00", "8.00"]}), "total")


values = st.lists(st.sampled_from(["a", "A", "b", "c", "c."]), max_size=5)


@given(values, values)
def test_matching_is_the_overlap_of_multisets(expected, answered):
    counts = match(expected, answered, lambda one, other: one == other)
    overlap = sum((Counter(expected) & Counter(answered)).values())
    assert counts == Counts(overlap, len(answered) - overlap, len(expected) - overlap)


@given(values, values, st.sampled_from(["strict", "normalised"]))
def test_laws_of_counting(expected, answered, measure):
    labelled = document({"item": expected})
    counts = count_pair(TASK, labelled, "item", answer(*answered), measure)
    assert counts.true_positives + counts.false_positives == len(answered)
    assert counts.true_positives + counts.false_negatives == len(expected)
    for order in itertools.islice(itertools.permutations(answered), 24):
        assert count_pair(TASK, labelled, "item", answer(*order), measure) == counts
    strict = count_pair(TASK, labelled, "item", answer(*answered), "strict")
    normalised = count_pair(TASK, labelled, "item", answer(*answered), "normalised")
    assert normalised.true_positives >= strict.true_positives


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_f1_is_the_harmonic_mean_of_precision_and_recall(right, wrong, missed):
    counts = Counts(right, wrong, missed)
    if right:
        harmonic = 2 / (1 / counts.precision + 1 / counts.recall)
        assert counts.f1 == pytest.approx(harmonic)
    elif wrong or missed:
        assert counts.f1 == 0.0
    else:
        assert counts.f1 is counts.precision is counts.recall is None


def test_strict_ignores_only_white_space_at_the_ends():
    labelled = document({"total": " 9.00\n"})
    assert count_pair(TASK, labelled, "total", answer("9.00"), "strict") == Counts(1, 0, 0)
    assert count_pair(TASK, labelled, "total", answer("9.0"), "strict") == Counts(0, 1, 1)


def test_normalised_reads_dates_in_the_tasks_order():
    task = TaskSpec("notes", {"date": FieldSpec("date", "date")}, day_first=False)
    labelled = document({"date": "2018-04-05"})
    assert count_pair(task, labelled, "date", answer("04/05/2018"), "normalised") == Counts(1, 0, 0)
    assert count_pair(replace(task, day_first=True), labelled, "date", answer("04/05/2018"), "normalised") == Counts(
        0, 1, 1
    )


def test_spans_count_by_exact_offsets_whatever_the_value():
    labelled = document({"item": ["pen", "ink"]}, {"item": [(0, 3), (4, 7)]})
    candidates = answer("pen", spans=((0, 3),)) + answer("ink", spans=((4, 8),))
    assert count_pair(TASK, labelled, "item", candidates, "span") == Counts(1, 1, 1)
    assert count_pair(TASK, labelled, "item", answer("x", spans=((0, 3), (4, 7))), "span") == Counts(2, 0, 0)
    assert count_pair(TASK, labelled, "item", [], "span") == Counts(0, 0, 2)


def test_a_present_value_without_spans_is_left_out_of_the_span_measure_and_an_absent_one_is_not():
    assert expected_spans(TASK, document({"item": ["pen"]}), "item") is None
    assert count_pair(TASK, document({"item": ["pen"]}), "item", answer("pen"), "span") == Counts()
    assert count_pair(TASK, document({"item": None}), "item", answer("pen"), "span") == Counts(0, 1, 0)
    assert count_pair(TASK, document({}), "item", answer("pen"), "span") == Counts()


def test_spans_are_there_when_one_document_has_some():
    assert not has_spans([document({"total": "9.00"})])
    assert has_spans([document({"total": "9.00"}), document({"total": "9.00"}, {"total": [(0, 4)]})])


@pytest.mark.parametrize(
    ("expected", "answered", "right"),
    [
        ((), (), True),
        ((), ("9.00",), False),
        (("9.00",), (), False),
        (("RM 9.00",), ("9.00",), True),
        (("9.00",), ("90.0",), False),
    ],
)
def test_a_single_answer_is_right_when_its_value_is(expected, answered, right):
    assert is_right(TASK, "total", expected, answered) is right


def test_a_many_answer_is_right_when_its_set_is():
    assert is_right(TASK, "item", ("pen", "Ink"), ("INK", "pen", "ink"))
    assert not is_right(TASK, "item", ("pen", "ink"), ("pen",))
    assert not is_right(TASK, "item", ("pen",), ("pen", "ink"))


def test_answers_belong_to_documents_one_by_one():
    with pytest.raises(ValueError, match="zip"):
        count_documents(TASK, [document({})], [], "strict")


def test_annotated_documents_are_counted_field_by_field():
    documents = [document({"total": "9.00"}), document({"total": None, "item": ["pen"], "other": "x"})]
    assert check_labels(TASK, documents) == {"total": 2, "item": 1}
    with pytest.raises(DatasetError, match="no document has a label for a field of task"):
        check_labels(TASK, [document({"other": "x"})])
