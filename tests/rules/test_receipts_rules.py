"""The receipts task's own rules: they load, their examples hold, and they answer receipts written for this test."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from gateway.document import Document
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.split import Split
from gateway.home import Home
from gateway.tiers.rules import RulesTier, TimeLimits
from gateway.tiers.rules.examples import run_examples
from training.receipts.merchants import FILES, build_directory, cross_validate, directory_csv, make_folds

RECEIPTS = {
    "rounded, values on the next lines": (
        "LIGHTHOUSE BOOKS SDN BHD\n(1234567-A)\nNO. 12, JALAN MERPATI 3,\nTAMAN MERPATI,\n81200 JOHOR BAHRU, JOHOR.\n"
        "TEL : 07-5550100\nTAX INVOICE\nDATE: 05/04/2018 13:01\nPENCIL\n2\n1.21\n2.42\nSUBTOTAL :\n2.42\n"
        "TOTAL INCL. GST@6%\nRM 2.42\nROUNDING ADJUSTMENT\n-RM 0.02\nTOTAL ROUNDED\nRM 2.40\nCASH\nRM 5.00\n"
        "CHANGE\nRM 2.60",
        {
            "company": "LIGHTHOUSE BOOKS SDN BHD",
            "date": "05/04/2018",
            "address": "NO. 12, JALAN MERPATI 3, TAMAN MERPATI, 81200 JOHOR BAHRU, JOHOR.",
            "total": "2.40",
        },
    ),
    "two columns, no date label, a restaurant": (
        "RESTORAN TIGA KAWAN\n002233445-X\n15, JALAN SETIA 9\n40170 SHAH ALAM, SELANGOR\nGST ID : 000111222333\n"
        "14 MAR 2018 18:40\nNASI LEMAK\n5.50\nTEH TARIK\n1.80\nTOTAL\nCASH\nCHANGE\nRM7.30\nRM10.00\nRM2.70",
        {
            "company": "RESTORAN TIGA KAWAN",
            "date": "14 MAR 2018",
            "address": "15, JALAN SETIA 9 40170 SHAH ALAM, SELANGOR",
            "total": "RM7.30",
        },
    ),
    "service charge and tax after the first total": (
        "MOONRISE BISTRO\nENTERPRISE (KL) SDN BHD\n9, SS 21/3,\nDAMANSARA UTAMA\nTAX INVOICE\nBILL DT: 2018-03-23\n"
        "SUB TOTAL\n100.00\nSERVICE CHARGE 10%\n10.00\nGST 6%\n6.60\nNET TOTAL\n116.60\nGST SUMMARY\nTOTAL\n110.00",
        {"date": "2018-03-23", "address": "9, SS 21/3, DAMANSARA UTAMA", "total": "116.60"},
    ),
}


@pytest.fixture(scope="module")
def tier(project_home: Home) -> RulesTier:
    # What the rules find is tested here, not how fast this machine is.
    return RulesTier.load(project_home.rules, project_home.task("receipts"), limits=TimeLimits(1.0, 10.0))


@pytest.fixture(scope="module")
def train(project_root: Path, shared_data: Path) -> list[LabelledDocument]:
    split = Split.load(project_root / "models" / "receipts" / "split.json")
    return split.select(read_dataset(shared_data / "receipts" / "train.jsonl"), "train")


def test_every_field_has_rules(tier: RulesTier) -> None:
    assert all(tier.rules.fields[name] for name in tier.rules.task.fields)


def test_every_example_in_the_files_holds(tier: RulesTier) -> None:
    assert [result for result in run_examples(tier) if not result.passed] == []


def test_every_rule_says_what_it_is_and_shows_what_it_finds_and_what_not(tier: RulesTier) -> None:
    for rule in tier.rules.rules:
        values = [example.value is None for example in rule.spec.examples]
        assert set(values) == {True, False}, rule.source
        assert rule.spec.description, rule.source


@pytest.mark.parametrize("name", RECEIPTS)
def test_receipts_are_answered(tier: RulesTier, name: str) -> None:
    text, expected = RECEIPTS[name]
    [output] = tier.propose([Document(text)], list(expected))
    found = {field: proposal.best and proposal.best.value for field, proposal in output.proposals.items()}
    assert found == expected


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("TOTAL QTY\n4.00\nTOTAL GST\n1.20\nTOTAL ITEMS\n2.00", {"4.00", "1.20", "2.00"}),
        ("CASH\n50.00\nCHANGE\n0.00", {"50.00", "0.00"}),
        ("TOTAL DISCOUNT\n3.00\nTOTAL SAVINGS\n3.00", {"3.00"}),
    ],
)
def test_what_is_no_total_is_not_proposed(tier: RulesTier, text: str, wrong: set[str]) -> None:
    [output] = tier.propose([Document(text)], ["total"])
    assert not wrong & {candidate.value for candidate in output.proposals["total"].candidates}


def test_an_address_is_proposed_only_where_the_text_has_it(tier: RulesTier) -> None:
    [output] = tier.propose([Document("AEON CO. (M) BHD (126926-H)\nGST ID : 002017394688\nTOTAL 9.00")], ["address"])
    assert output.proposals["address"].candidates == ()


def test_the_directory_is_made_from_the_training_part(project_home: Home, train: list[LabelledDocument]) -> None:
    for field, name in FILES.items():
        written = (project_home.rules / "receipts" / name).read_text("utf-8")
        assert written == directory_csv(build_directory(train, field))


def test_the_rules_keep_their_quality_on_the_training_part(project_home: Home, train: list[LabelledDocument]) -> None:
    """Cross-validated for the directory; floors a little below what the documentation states."""
    folds = make_folds(train, 5, 1, lambda document: document.id)
    figures = cross_validate(train, project_home.rules, project_home.task("receipts"), folds)
    floors = {"date": (0.99, 0.98), "total": (0.96, 0.97), "company": (0.99, 0.94), "address": (0.97, 0.91)}
    for field, (coverage, precision) in floors.items():
        found = figures[field]
        assert found.best.found >= coverage * found.documents
        assert found.best.precision is not None
        assert found.best.precision >= precision


def test_stated_precisions_are_those_that_are_measured(project_home: Home, train: list[LabelledDocument]) -> None:
    """(right + ½) / (found + 1) over the same folds, for rules that found something at least ten times."""
    folds = make_folds(train, 5, 1, lambda document: document.id)
    figures = cross_validate(train, project_home.rules, project_home.task("receipts"), folds)
    stated: dict[str, float | None] = {}
    measured: dict[str, float | None] = defaultdict(lambda: None)
    for field in figures.values():
        for source, rule in field.rules.items():
            stated[source] = rule.stated
            if rule.alone.found >= 10:
                measured[source] = pytest.approx((rule.alone.right + 0.5) / (rule.alone.found + 1), abs=0.011)
    assert stated == {source: measured[source] for source in stated}
