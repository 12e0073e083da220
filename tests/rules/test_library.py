"""The shared recognisers: each finds what it is for in a task of its own, with one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from gateway.document import Document
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules import RulesTier
from gateway.values import VALUE_TYPES, ValueType

LIBRARY = Path(__file__).resolve().parents[2] / "rules" / "library"
#: The files that are made for any task; the others serve the receipts.
FILES = ("contacts", "references", "accounts", "quantities", "times")

# Recogniser, value type, text, what is found in it.
FOUND: list[tuple[str, ValueType, str, list[str]]] = [
    ("date", "date", "Signed 28/03/2018 or 31/02/2018", ["28/03/2018"]),
    ("full-date", "date", "on Friday the 5th day of March, 2015", ["Friday the 5th day of March, 2015"]),
    ("time", "time", "from 9.30am to 18:00, ratio 4:3", ["9.30am", "18:00"]),
    ("money", "money", "RM 9.00", ["RM 9.00"]),
    ("currency-amount", "money", "$ 1.6 million for 20 people, or five euros", ["$ 1.6 million", "five euros"]),
    ("number", "number", "twenty-one of 1,234", ["twenty-one", "1,234"]),
    ("percent", "percent", "5% of 20, 2 per cent", ["5%", "2 per cent"]),
    ("dimension", "dimension", "20 kg in 5 boxes over 3 miles", ["20 kg", "3 miles"]),
    ("phone", "phone", "(202) 555-0143, account number 12345678", ["(202) 555-0143"]),
    ("email", "email", "me@example.com, @you", ["me@example.com"]),
    ("url", "url", "https://example.com/a and the end.Then", ["https://example.com/a"]),
    ("ip", "ip", "192.0.2.1 and ::1 and 1111.1.1.1", ["192.0.2.1", "::1"]),
    ("guid", "guid", "123e4567-e89b-12d3-a456-426655440000", ["123e4567-e89b-12d3-a456-426655440000"]),
    ("iban", "iban", "GB82 WEST 1234 5698 7654 32, not GB83 WEST 1234 5698 7654 32", ["GB82 WEST 1234 5698 7654 32"]),
    ("card", "card", "4111 1111 1111 1111, not 4111 1111 1111 1112", ["4111 1111 1111 1111"]),
    ("tax-id", "tax-id", "VAT DE136695976, not DE136695977", ["DE136695976"]),
    ("phone-label", "text", "Tel. No.: 1", ["Tel. No.:"]),
    ("fax-label", "text", "FAX 2", ["FAX"]),
    ("email-label", "text", "E-mail: x", ["E-mail:"]),
    ("website-label", "text", "Web: x", ["Web:"]),
    ("labelled-phone", "phone", "No 12345678 Tel: 202-555-0143", ["202-555-0143"]),
    ("labelled-fax", "phone", "Tel: 202-555-0143 Fax: 202-555-0144", ["202-555-0144"]),
    ("reference", "text", "AB-12/3 and ABC", ["AB-12/3"]),
    ("number-word", "text", "x No. 5", ["No."]),
    ("order-label", "text", "Order No. 5", ["Order No."]),
    ("invoice-label", "text", "Tax invoice # 5", ["Tax invoice #"]),
    ("customer-label", "text", "Member ID 5", ["Member ID"]),
    ("order-number", "text", "Order no: SO-10023. Order today", ["SO-10023"]),
    ("invoice-number", "text", "INVOICE #INV/2018/007", ["INV/2018/007"]),
    ("customer-number", "text", "Customer number 44-812", ["44-812"]),
    ("iban-label", "text", "IBAN: x", ["IBAN:"]),
    ("card-label", "text", "Visa 4", ["Visa"]),
    ("tax-label", "text", "GST Reg No: 5", ["GST Reg No:"]),
    ("labelled-tax-id", "tax-id", "DE136695976 VAT number: ATU13585627", ["ATU13585627"]),
    ("bic", "text", "BIC DEUTDEFF500 or Deutdeff", ["DEUTDEFF500"]),
    ("integer", "number", "1,234 of 5.6 on 7/8", ["1,234"]),
    ("decimal-number", "number", "1,234.50 of 5", ["1,234.50"]),
    ("currency-code", "text", "5 USD, usd, ALL", ["USD"]),
    ("quantity-label", "text", "Qty: 5", ["Qty:"]),
    ("discount-label", "text", "Discount 5", ["Discount"]),
    ("weekday", "text", "Tues. and Friday", ["Tues.", "Friday"]),
    ("date-label", "text", "Dated 5", ["Dated"]),
    ("due-label", "text", "payable by 5", ["payable by"]),
    ("time-label", "text", "Opens 9", ["Opens"]),
]


@pytest.mark.parametrize(("name", "kind", "text", "expected"), FOUND, ids=[entry[0] for entry in FOUND])
def test_one_line_makes_a_recogniser_a_rule(tmp_path, name, kind, text, expected):
    shutil.copytree(LIBRARY, tmp_path / "library")
    (tmp_path / "notes").mkdir()
    rule = f"field: it\nrules:\n  - {{id: it, kind: pattern, pattern: '{{{{{name}}}}}'}}\n"
    (tmp_path / "notes" / "it.yaml").write_text(rule, "utf-8")
    tier = RulesTier.load(tmp_path, TaskSpec("notes", {"it": FieldSpec("it", kind, many=True)}))
    [output] = tier.propose([Document(text)], ["it"])
    assert [
        candidate.text.strip() for candidate in output.proposals["it"].candidates if candidate.text.strip()
    ] == expected


def test_every_recogniser_is_described_and_has_an_example():
    recognisers = {
        name: entry
        for file in FILES
        for name, entry in yaml.safe_load((LIBRARY / f"{file}.yaml").read_text("utf-8"))["recognisers"].items()
    }
    assert all(entry["description"].endswith(".") for entry in recognisers.values())
    assert set(recognisers) | set(VALUE_TYPES) - {"text"} <= {entry[0] for entry in FOUND}
