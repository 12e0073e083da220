"""Numbers with check digits. The samples are the ones that issuers and tax offices publish for tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import ValueOptions, canonical

IBANS = ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947"]
CARDS = [
    "4111111111111111",
    "5500000000000004",
    "378282246310005",
    "6011000990139424",
    "30569309025904",
    "4222222222222",
]
# Not the United Kingdom's: its numbers may satisfy either of two sums.
TAX = ["DE136695976", "ATU13585627", "BE0428759497"]


@pytest.mark.parametrize(
    ("kind", "number"), [*(("iban", n) for n in IBANS), *(("card", n) for n in CARDS), *(("tax-id", n) for n in TAX)]
)
def test_a_single_wrong_digit_is_always_seen(kind, number):
    assert canonical(kind, number) == number
    for position, char in enumerate(number):
        if char.isdigit():
            for digit in set("0123456789") - {char}:
                assert canonical(kind, number[:position] + digit + number[position + 1 :]) is None


@given(st.sampled_from(IBANS), st.sampled_from(["", " "]))
def test_ibans_in_groups(number, space):
    grouped = space.join(number[at : at + 4] for at in range(0, len(number), 4))
    assert canonical("iban", grouped.lower()) == number


@given(st.integers(0, 10**14 - 1))
def test_one_check_digit_in_ten_is_right(body):
    numbers = [f"4{body:014}{digit}" for digit in range(10)]
    assert sum(canonical("card", number) is not None for number in numbers) == 1


@pytest.mark.parametrize(
    ("text", "region", "value"),
    [
        ("GB 980 7806 84", None, "GB980780684"),
        ("980 7806 84", "GB", "GB980780684"),
        ("980 7806 84", None, None),
        ("EL 094259216", None, "GR094259216"),
        ("CHE-107.787.577 IVA", None, "CHE107787577"),
        ("CHE-123.456.788 MWST", None, "CHE123456788"),
        ("CHE-123.456.788 TVA", None, "CHE123456788"),
        ("CHE-123.456.788", None, "CHE123456788"),
        ("536-90-4399", "US", "US536904399"),
        ("51 824 753 556", "AU", "AU51824753556"),
        ("27AAPFU0939F1ZV", "IN", "IN27AAPFU0939F1ZV"),
        ("GODE 561231 GR8", "MX", "MXGODE561231GR8"),
        ("DE136695976", "GB", "DE136695976"),
        ("136695976", "GB", None),
        ("hello", "GB", None),
    ],
)
def test_tax_identifiers(text, region, value):
    options = ValueOptions(region=region)
    assert canonical("tax-id", text, options=options) == value
    assert value is None or canonical("tax-id", value, options=options) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("card", "order 1234567890123456"),
        ("card", "0000 0000 0000 0000"),
        ("card", "4111 1111 1111 1111 11"),
        ("iban", "GB82 WEST 1234"),
        ("iban", "XX82WEST12345698765432"),
        ("tax-id", "DE 12 345 678"),
    ],
)
def test_look_alikes_are_left_alone(find, kind, text):
    assert find(kind, text) == []


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("card", "Visa 4111-1111-1111-1111, exp 12/29", "4111-1111-1111-1111"),
        ("iban", "IBAN: GB82 WEST 1234 5698 7654 32.", "GB82 WEST 1234 5698 7654 32"),
        ("tax-id", "VAT No. GB 980 7806 84", "GB 980 7806 84"),
        ("tax-id", "USt-IdNr.: DE136695976", "DE136695976"),
    ],
)
def test_numbers_behind_a_label(find, kind, text, expected):
    assert [found for found, _ in find(kind, text)] == [expected]
