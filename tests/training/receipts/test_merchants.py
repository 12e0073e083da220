"""The merchant directory: forms, their canonical writing, and honest validation."""

from __future__ import annotations

from pathlib import Path

from gateway.evaluation.dataset import LabelledDocument
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules.table import parse_entries
from training.receipts.merchants import Entry, build_directory, cross_validate, directory_csv, make_folds

TASK = TaskSpec("receipts", {"company": FieldSpec("company", "text"), "address": FieldSpec("address", "text")})


def documents(field: str, *labels: str | None) -> list[LabelledDocument]:
    return [LabelledDocument(str(number), f"{label}\nTEA", {field: label}) for number, label in enumerate(labels)]


def test_equal_forms_are_one_and_the_most_frequent_writing_stands_for_it() -> None:
    found = build_directory(documents("company", "A. Shop", "A SHOP", "A SHOP", "B", None), "company")
    assert found == [Entry("A SHOP", "A SHOP", 3), Entry("B", "B", 1)]


def test_a_rare_form_much_like_a_frequent_one_takes_its_value() -> None:
    usual, misread, other = "RESTORAN WAN SHENG", "RSTORAN WAN SHENG", "RESTORAN WAN SHING"
    found = {
        entry.text: entry.value for entry in build_directory(documents("company", *[usual] * 3, misread), "company")
    }
    assert found == {usual: usual, misread: usual}
    # Two rare forms may be two merchants.
    found = {entry.text: entry.value for entry in build_directory(documents("company", usual, other), "company")}
    assert found == {usual: usual, other: other}


def test_the_file_is_a_lookup() -> None:
    entries = build_directory(documents("address", '1, "A" STREET', "2 B STREET"), "address")
    assert parse_entries(directory_csv(entries)) == [('1, "A" STREET',) * 2, ("2 B STREET",) * 2]


def test_folds_share_no_group_and_leave_no_document_out() -> None:
    docs = documents("company", *"ABCDEFGHIJ")
    folds = make_folds(docs, 3, 0, lambda document: str(int(document.id) // 3))
    assert sorted(document.id for fold in folds for document in fold) == sorted(document.id for document in docs)
    groups = [{int(document.id) // 3 for document in fold} for fold in folds]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert len(make_folds(docs[:2], 5, 0, lambda document: document.id)) == 2


def test_a_document_s_own_label_is_not_in_the_directory_it_is_measured_with(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts" / "company.yaml").write_text(
        "field: company\nrules: [{id: known, kind: lookup, file: merchants.csv, lines: {first: 1}}]"
    )
    docs = documents("company", "KNOWN SHOP", "KNOWN SHOP", "ONLY ONCE")
    folds = make_folds(docs, 3, 0, lambda document: document.id)
    figures = cross_validate(docs, tmp_path, TASK, folds)["company"]
    assert (figures.documents, figures.best.found, figures.best.right) == (3, 2, 2)
    assert not (tmp_path / "receipts" / "merchants.csv").exists()
