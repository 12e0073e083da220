"""Card, page and version of a real run of a small task."""

from __future__ import annotations

import json

from gateway.evaluation.dataset import read_dataset
from gateway.versions import Versions
from tests.training.bills import Bills
from training.card import render_card
from training.report import RunReport
from training.report.material import Material
from training.report.page import render_page


def test_everything_of_a_real_run_is_on_its_page(bills: Bills) -> None:
    report = RunReport.load(bills.models)
    assert report.validation
    for measured in report.validation.values():
        assert {name: system["available"] for name, system in measured["systems"].items()} == dict.fromkeys(
            ("rules", "student", "large", "cascade"), True
        )
    page = (bills.models / "report.html").read_text("utf-8")
    for title in ("Data", "Training", "Validation", "Calibration", "What is certified", "Cost and latency", "Recipe"):
        assert f">{title}</h2>" in page
    assert page.count("<svg") == 5
    assert "Invented bills: nobody&#x27;s" in page


def test_no_text_of_a_document_is_on_it(bills: Bills) -> None:
    written = [(bills.models / name).read_text("utf-8") for name in ("report.html", "CARD.md", "training.json")]
    for document in read_dataset(bills.data):
        for line in (*document.text.splitlines(), *map(str, document.labels.values())):
            if any(char.isalpha() for char in line):  # "57.85" may be a figure
                assert all(line not in text for text in written), line


def test_card_and_page_can_be_made_again(bills: Bills) -> None:
    material = Material.read(bills.models)
    assert render_card(material) == (bills.models / "CARD.md").read_text("utf-8")
    assert render_page(material) == (bills.models / "report.html").read_text("utf-8")


def test_the_result_is_a_version_and_served_because_nothing_was(bills: Bills) -> None:
    versions = Versions(bills.home, "bills")
    [version] = versions.all()
    served = versions.served()
    assert served.name == version.name
    assert served.changed == ()
    version.verify()
    about = version.manifest.about
    assert about["data"]["path"] == str(bills.data)
    assert about["command"].split()[0] == "cascade"
    assert {part: one["documents"] for part, one in about["validation"].items()} == {
        part: one["documents"] for part, one in RunReport.load(bills.models).validation.items()
    }
    assert json.loads((bills.models / "version.json").read_text())["promoted"]
