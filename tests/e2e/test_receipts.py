"""The repository's own receipts task, served as a user would."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.home import Home

RECEIPT = """KEDAI RUNCIT MUTIARA SDN BHD
(123456-X)
12, JALAN MELATI 3,
TAMAN MELATI,
47100 PUCHONG, SELANGOR
TAX INVOICE
INVOICE NO: 10443
DATE: 14/03/2018 18:22
ROTI PUTIH 1 X 3.50
SUSU SEGAR 1 X 5.50
TOTAL (RM) 9.00
CASH 10.00
CHANGE 1.00
"""


@pytest.fixture
def receipts(project_home: Home, start: Any) -> Any:
    if not (project_home.models / "receipts" / "student" / "config.json").is_file():
        pytest.skip("needs the student under models/receipts/student")
    return start(project_home, "--large", "off")


def test_a_receipt_is_read_by_rules_and_student_alone(receipts: Any) -> None:
    ready = receipts.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["tasks"]["receipts"]["missing"] == ["large"]
    answer = receipts.extract(task="receipts", text=RECEIPT).json()
    assert set(answer["fields"]) == {"company", "date", "address", "total"}
    assert answer["fields"]["date"]["normalised"] == "2018-03-14"
    assert answer["fields"]["total"]["normalised"] == "9.00"
    assert answer["fields"]["company"]["normalised"] == "kedairuncitmutiarasdnbhd"
    for found in answer["fields"].values():
        for start, end in found["spans"]:
            assert RECEIPT[start:end] in found["text"]


def test_a_megabyte_is_answered_by_the_student_too(receipts: Any) -> None:
    text = RECEIPT + "ROTI PUTIH 1 X 3.50\n" * 52_000
    assert len(text) > 1_000_000
    response = receipts.extract(task="receipts", text=text, deadline_ms=2_000)
    assert response.status_code == 200
    assert response.json()["status"] in ("review", "degraded", "complete")
