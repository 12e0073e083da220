"""Running tiers over labelled documents, keeping what they said, and judging it."""

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.combine import Answer
from gateway.document import Work
from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, TaskSpec
from tests.training.calibrate.synthetic import TASK, NoisyTier, candidate, documents, observed
from training.calibrate.outputs import Observed, TierOutput, estimate_costs, observe

DATA = documents(12, 0)


@pytest.fixture
def tiers():
    return {"student": NoisyTier("student", 0.5, 0.01), "large": NoisyTier("large", 0.9, 0.1)}


def test_every_tier_reads_every_document_by_itself(tiers):
    found = observe(tiers, DATA, TASK)
    assert [item.document for item in found] == DATA
    assert all(set(item.outputs) == {"student", "large"} for item in found)
    assert tiers["student"].calls == tiers["large"].calls == len(DATA)
    for item in found:
        assert item.outputs["large"] == tiers["large"].propose([item.document], list(TASK.fields))[0]


def test_outputs_are_kept_and_not_computed_twice(tiers, tmp_path):
    first = observe(tiers, DATA, TASK, tmp_path)
    # The order of the documents and others among them change nothing.
    more = [*documents(3, 1), *reversed(DATA)]
    second = observe(tiers, more, TASK, tmp_path)
    assert tiers["student"].calls == len(DATA) + 3
    assert [item.outputs for item in second[3:]] == [item.outputs for item in reversed(first)]
    observe(tiers, DATA, TASK, tmp_path)
    assert tiers["student"].calls == len(DATA) + 3


def test_another_version_of_a_tier_is_asked_again(tiers, tmp_path):
    observe(tiers, DATA, TASK, tmp_path)
    tiers["student"].version = "sha256:retrained"
    observe(tiers, DATA, TASK, tmp_path)
    assert tiers["student"].calls == 2 * len(DATA)
    assert tiers["large"].calls == len(DATA)


def test_a_text_that_stands_twice_is_read_once(tiers):
    copies = [LabelledDocument("a", "v1 x"), LabelledDocument("b", "v1 x")]
    one, other = observe(tiers, copies, TASK)
    assert one.outputs == other.outputs
    assert tiers["student"].calls == 1


def test_a_damaged_line_is_computed_again(tiers, tmp_path, caplog):
    whole = observe(tiers, DATA, TASK, tmp_path)
    for path in tmp_path.iterdir():
        lines = path.read_text("utf-8").splitlines()
        path.write_text("\n".join([lines[0][:-20], "{}", "[]", "7", *lines[1:]]) + "\n", "utf-8")
    with caplog.at_level(logging.WARNING):
        again = observe(tiers, DATA, TASK, tmp_path)
    assert [item.outputs for item in again] == [item.outputs for item in whole]
    assert tiers["student"].calls == len(DATA) + 1
    assert "damaged" in caplog.text


SINGLE = TaskSpec("bills", {"total": FieldSpec("total", "money"), "item": FieldSpec("item", "text", many=True)})
OPEN = replace(SINGLE, fields={name: replace(field, null_means="unannotated") for name, field in SINGLE.fields.items()})
CLOSED = replace(SINGLE, closed_labels=True)


def judged(task, name, labels, *values):
    answer = Answer(tuple(sorted(values)), tuple(candidate(value, 0.9) for value in values), 0.9)
    return Observed(LabelledDocument("1", "", labels), {}).judge(answer, task, name)


@pytest.mark.parametrize(
    ("task", "name", "labels", "values", "right"),
    [
        (SINGLE, "total", {"total": "RM9.00"}, ["9.0"], True),
        (SINGLE, "total", {"total": "RM9.00"}, ["9.01"], False),
        (SINGLE, "item", {"item": ["pen", "ink"]}, ["INK", "pen"], True),
        (SINGLE, "item", {"item": ["pen", "ink"]}, ["pen"], False),
        (SINGLE, "item", {"item": ["pen"]}, ["pen", "ink"], False),
        (SINGLE, "item", {"item": "pen"}, ["Pen."], True),
        # Where the field is absent, whatever was found is wrong.
        (SINGLE, "total", {"total": None}, ["9.00"], False),
        (SINGLE, "item", {"item": []}, ["pen"], False),
        (CLOSED, "total", {}, ["9.00"], False),
        # Where nobody looked, it is neither right nor wrong.
        (SINGLE, "total", {}, ["9.00"], None),
        (OPEN, "total", {"total": None}, ["9.00"], None),
    ],
)
def test_an_answer_is_judged_by_the_labels(task, name, labels, values, right):
    assert judged(task, name, labels, *values) is right


def measured(*pairs):
    return [
        Observed(LabelledDocument(str(index), "x" * length), {"large": TierOutput({}, Work(cpu_seconds=seconds))})
        for index, (length, seconds) in enumerate(pairs)
    ]


@given(st.floats(0, 1), st.floats(0, 1e-3), st.lists(st.integers(1, 5000), min_size=2, max_size=30, unique=True))
def test_costs_that_lie_on_a_line_are_found(base, slope, lengths):
    estimate = estimate_costs(measured(*((length, base + slope * length) for length in lengths)))["large"]
    for length in lengths:
        assert estimate.cpu_seconds(length) == pytest.approx(base + slope * length, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 10)), min_size=1, max_size=30))
def test_no_estimate_is_below_zero_or_worse_than_the_mean(pairs):
    estimate = estimate_costs(measured(*pairs))["large"]
    assert estimate.base_seconds >= 0
    assert estimate.seconds_per_character >= 0
    mean = sum(seconds for _, seconds in pairs) / len(pairs)
    squares = sum((seconds - estimate.cpu_seconds(length)) ** 2 for length, seconds in pairs)
    assert squares <= sum((seconds - mean) ** 2 for _, seconds in pairs) + 1e-6


def test_longer_documents_that_took_less_do_not_make_length_free_of_cost_below_nothing():
    estimate = estimate_costs(measured((100, 0.2), (1000, 0.1)))["large"]
    assert estimate.cpu_seconds(500) == pytest.approx(0.15)


def test_without_documents_there_is_nothing_to_estimate():
    assert estimate_costs([]) == {}


def test_answers_of_a_tier_that_said_nothing_about_a_field():
    assert observed("a", student={}).answers("student", TASK, "shop") == []
    assert observed("a", student={"a": 0.9}).answers("student", TASK, "item") == []


def test_what_outputs_depend_on_is_not_taken_from_the_cache(tiers, tmp_path):
    observe(tiers, DATA, TASK, tmp_path)
    asked = tiers["student"].calls
    # The task reads its values otherwise.
    fields = {name: replace(field, type="number") for name, field in TASK.fields.items()}
    observe(tiers, DATA, replace(TASK, fields=fields), tmp_path)
    assert tiers["student"].calls == asked + len(DATA)
    # More is known of the same text.
    for extra in ({"context": "x"}, {"reference_date": "2018-01-01"}, {"locale": "en_MY"}, {"lines": [{"text": "x"}]}):
        observe(tiers, [replace(DATA[0], extra=extra)], TASK, tmp_path)
    assert tiers["student"].calls == asked + len(DATA) + 4
