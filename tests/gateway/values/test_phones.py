import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import ValueOptions, canonical


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("(+44) 20 7946 0958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("+1 (202) 555-0143 ext. 12", "+12025550143;ext=12"),
        ("020 7946 0958", "02079460958"),
        ("202.555.0143ext7", "2025550143;ext=7"),
        ("300.12345678", None),
        ("(202) 555-0143", "2025550143"),
        ("202-555-0143x7", "2025550143;ext=7"),
        ("+86 20 6130 2222-8866", "+862061302222;ext=8866"),
        ("+999 12 345 678", None),
        ("12345", None),
        ("192.168.10.20", None),
        ("4111 1111 1111 111", None),
        ("078-05-1120", None),
        ("2018-03-28", None),
        ("1234567.89", None),
    ],
)
def test_without_a_region(text, value):
    assert canonical("phone", text) == value


@pytest.mark.parametrize(
    ("text", "region", "value"),
    [
        ("020 7946 0958", "GB", "+442079460958"),
        ("(202) 555-0143", "US", "+12025550143"),
        ("1 202 555 0143", "US", "+12025550143"),
        ("03-2161 1000", "MY", "+60321611000"),
        ("+44 20 7946 0958", "MY", "+442079460958"),
        ("123456", "US", None),
    ],
)
def test_the_region_of_the_task_is_that_of_national_numbers(text, region, value):
    assert canonical("phone", text, options=ValueOptions(region=region)) == value


@pytest.mark.parametrize(
    "text",
    [
        "account number 12345678", "order 20123456", "-2208960000", "T005-2333-100731-SW-2", "1234567%", "$1234567",
        "2009/2010", "2009-2010", "12:00:00 1234", "item #12345678", "4111 1111 1111 1111", "5 6 7 8 9 10 11",
        "http://example.com/12345678/", "#s66666666", "1234567*2",
    ],
)  # fmt: skip
def test_what_looks_like_a_telephone_number_and_is_none(find, text):
    assert find("phone", text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Call us at (202) 555-0143, or +44 20 7946 0958.", ["(202) 555-0143", "+44 20 7946 0958"]),
        ("TEL:03-2161 1000 FAX:03-2161 1001", ["03-2161 1000", "03-2161 1001"]),
        ("Tel.0176 1234 5678\nFax 030/1234567", ["0176 1234 5678", "030/1234567"]),
    ],
)
def test_numbers_in_text(find, text, expected):
    assert [found for found, _ in find("phone", text)] == expected


@given(st.integers(200, 989), st.integers(200, 999), st.integers(0, 9999))
def test_every_way_of_writing_a_number_is_that_number(area, exchange, line):
    options = ValueOptions(region="US")
    written = [
        f"({area}) {exchange}-{line:04}",
        f"{area}-{exchange}-{line:04}",
        f"{area}.{exchange}.{line:04}",
        f"1 {area} {exchange} {line:04}",
        f"+1{area}{exchange}{line:04}",
    ]
    assert {canonical("phone", text, options=options) for text in written} == {f"+1{area}{exchange}{line:04}"}


def test_digits_of_other_scripts_are_digits():
    arabic = str.maketrans("0123456789", "".join(map(chr, range(0x660, 0x66A))))
    for written in ("0044 20 7946 0958", "+44 20 7946 0958"):
        assert canonical("phone", written.translate(arabic)) == "+442079460958"
