from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import NotComparable
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.promotion import Comparison, Figures, compare_versions, documents_to_compare, render
from gateway.evaluation.split import Split
from gateway.evaluation.systems import Failure, Record
from gateway.task import FieldSpec, TaskSpec

DOCUMENTS = [LabelledDocument(f"d{number}", f"text {number}", {"a": str(number)}) for number in range(100)]
TASK = TaskSpec("bills", {"a": FieldSpec("a", "text")})


def split(**parts: range) -> Split:
    named = {
        name.replace("_", "-"): {DOCUMENTS[index].id: DOCUMENTS[index].text_digest for index in indices}
        for name, indices in parts.items()
    }
    return Split("bills", 0, named, {}, {})


def comparison(candidate: Figures, served: Figures, error: tuple[float, float] | None = None) -> Comparison:
    return Comparison(10, 10, served, candidate, None, error)


@pytest.mark.parametrize(
    ("candidate", "served", "reasons"),
    [
        (Figures(0.9, 0.5, 100, 3), Figures(0.9, 0.6, 100, 3), 0),
        (Figures(0.91, 0.5, 100, 3), Figures(0.9, 0.6, 100, 3), 0),
        (Figures(0.899, 0.5, 100, 3), Figures(0.9, 0.6, 100, 3), 1),
        (Figures(0.0, 0.0, 0, 0), Figures(0.0, 0.0, 0, 0), 0),
    ],
)
def test_a_lower_f1_is_a_reason(candidate: Figures, served: Figures, reasons: int) -> None:
    assert len(comparison(candidate, served).reasons) == reasons


@pytest.mark.parametrize(("interval", "reasons"), [((-0.01, 0.04), 0), ((0.001, 0.04), 1), (None, 0)])
def test_more_errors_are_a_reason_where_chance_does_not_explain_them(
    interval: tuple[float, float] | None, reasons: int
) -> None:
    found = comparison(Figures(0.95, 0.5, 100, 5), Figures(0.9, 0.6, 100, 3), interval)
    assert len(found.reasons) == reasons
    assert ("interval" in render(found.as_json(), "old", "new")) == (interval is not None)


def test_without_an_accepted_value_there_is_no_error_to_compare() -> None:
    found = comparison(Figures(0.9, 0.0, 0, 0), Figures(0.9, 0.5, 10, 1))
    assert found.error_difference is None
    assert "–" in render(found.as_json(), "old", "new")


def test_with_the_same_split_all_validation_documents_are_compared() -> None:
    same = split(train=range(50), validation_seen=range(50, 52), validation_unseen=range(52, 54))
    assert [one.id for one in documents_to_compare(DOCUMENTS, same, same)] == ["d50", "d51", "d52", "d53"]
    assert documents_to_compare(DOCUMENTS, same, None) == documents_to_compare(DOCUMENTS, same, same)


@given(
    candidate=st.permutations(range(100)),
    served=st.permutations(range(100)),
    sizes=st.tuples(st.integers(1, 99), st.integers(1, 99)),
)
def test_no_document_is_compared_on_that_either_version_was_made_from(
    candidate: list[int], served: list[int], sizes: tuple[int, int]
) -> None:
    parts: list[Mapping[str, Mapping[str, str]]] = []
    for order, size in zip((candidate, served), sizes, strict=True):
        cut = {"train": order[:size], "validation-unseen": order[size:]}
        parts.append({name: {f"d{i}": DOCUMENTS[i].text_digest for i in ids} for name, ids in cut.items()})
    new, old = (Split("bills", 0, one, {}, {}) for one in parts)
    common = set(candidate[sizes[0] :]) & set(served[sizes[1] :])
    try:
        found = documents_to_compare(DOCUMENTS, new, old)
    except NotComparable:
        assert len(common) < 30
    else:
        if new.parts != old.parts:
            assert {one.id for one in found} == {f"d{index}" for index in common}
            assert len(found) >= 30


def test_a_split_without_validation_documents_is_no_ground() -> None:
    nothing = split(train=range(100))
    with pytest.raises(NotComparable, match="keeps no document for validation"):
        documents_to_compare(DOCUMENTS, nothing, nothing)


def test_a_failure_counts_as_nothing_found_and_the_same_records_do_not_differ() -> None:
    failed = [Record(None, Failure("internal", "x"))] * 10
    found = compare_versions(TASK, DOCUMENTS[:10], [str(number) for number in range(10)], failed, failed)
    assert (found.documents, found.groups) == (10, 10)
    assert found.candidate == found.served == Figures(0.0, 0.0, 0, 0)
    assert found.f1_difference == 0
    assert found.f1_interval == (0.0, 0.0)
    assert found.error_interval is None
    assert found.reasons == ()
