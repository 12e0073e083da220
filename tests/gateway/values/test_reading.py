import datetime
import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import VALUE_TYPES, ValueOptions, canonical, equal, fold_text, parse_date, parse_money

kinds = st.sampled_from(VALUE_TYPES)
# Text that looks like values, so that laws are tried where something is found.
value_like = st.text(alphabet="0123456789.,-/ RMrm$aprilİ\u0131\u017fMAY\n", max_size=24) | st.text(max_size=24)
dates = st.dates(datetime.date(1970, 1, 1), datetime.date(2069, 12, 31))

DATE_FORMATS = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%d-%m-%y",
    "%d.%m.%Y",
    "%d %B %Y",
    "%d%b%Y",
    "%d-%b-%y",
    "%B %d, %Y",
    "%b %d %Y",
]


@given(dates, st.sampled_from(DATE_FORMATS))
def test_every_written_form_of_a_date_is_that_date(date, written):
    assert parse_date(f"DATE: {date.strftime(written)} 10:33") == date
    assert parse_date(date.strftime(written).upper()) == date


@given(dates, st.sampled_from(["%Y%m%d", "%d%m%Y"]))
def test_dates_without_separators(date, written):
    # Without separators only years of this century are taken: eight digits are more often something else.
    compact = f"No. {date.strftime(written)}"
    assert parse_date(compact) == (date if 2000 <= date.year <= 2039 else parse_date(compact))
    if 2000 <= date.year <= 2039:
        assert parse_date(compact) == date


@pytest.mark.parametrize(
    ("text", "day_first", "iso"),
    [
        ("04/05/2018", True, "2018-05-04"),
        ("04/05/2018", False, "2018-04-05"),
        ("5/13/2018", True, "2018-05-13"),
        ("13/5/2018", False, "2018-05-13"),
        ("1/1/69", True, "2069-01-01"),
        ("1/1/70", True, "1970-01-01"),
        ("28MAR2018", True, "2018-03-28"),
        ("1ST JUNE 2018", True, "2018-06-01"),
        ("3 OGOS 2018", True, "2018-08-03"),
        ("31/02/2018", True, None),
        ("TEL 03-55-123456", True, None),
        ("12 MARKET 2018", True, None),
    ],
)
def test_dates(text, day_first, iso):
    assert canonical("date", text, options=ValueOptions(day_first=day_first)) == iso


def test_a_dotted_capital_i_is_no_stumbling_block():
    assert canonical("date", "3 APRİL 2018") == "2018-04-03"


@given(
    st.decimals(min_value=0, max_value=10**9, places=2),
    st.sampled_from(["{:.2f}", "{:,.2f}", "RM {:.2f}", "RM{:,.2f}", "${:,.2f}", "USD {:.2f}"]),
)
def test_every_written_form_of_an_amount_is_that_amount(amount, written):
    assert parse_money(written.format(amount)) == amount
    assert canonical("money", written.format(amount)) == f"{amount:.2f}"


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_continental_amounts(amount):
    text = f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    assert parse_money(text) == amount


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-5.00", "-5.00"),
        ("RM -5.00", "-5.00"),
        ("-0.00", "0.00"),
        ("1,234", "1234.00"),
        ("9", "9.00"),
        ("TOTAL", None),
        ("", None),
        # Beyond the 28 digits of the decimal context.
        ("-" + "9" * 40 + ".25", "-" + "9" * 40 + ".25"),
    ],
)
def test_amounts(text, value):
    assert canonical("money", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", "1234.5"),
        ("100", "100"),
        ("-0", "0"),
        ("007", "7"),
        (".5", "0.5"),
        ("No.5", "5"),
        ("12.50 %", "12.5"),
        ("1" * 40, "1" * 40),
        ("none", None),
    ],
)
def test_numbers(text, value):
    assert canonical("number", text) == value


@given(st.integers(-(10**60), 10**60))
def test_integers_of_any_length_stay_exact(number):
    assert canonical("number", f"n {number}") == str(number)


@given(kinds, value_like, st.booleans())
def test_canonical_never_fails_and_is_its_own_canonical_form(kind, text, day_first):
    value = canonical(kind, text, options=ValueOptions(day_first=day_first))
    if value is not None:
        assert canonical(kind, value, options=ValueOptions(day_first=day_first)) == value
        assert equal(kind, text, value, options=ValueOptions(day_first=day_first))


@given(st.text())
def test_folding_is_idempotent_and_drops_marks_and_space(text):
    folded = fold_text(text)
    assert fold_text(folded) == folded
    assert not any(char in ",." or char.isspace() for char in folded)


@given(st.text(alphabet=st.characters(max_codepoint=0x7F)))
def test_folding_ignores_case_marks_and_space(text):
    assert fold_text(text.upper()) == fold_text(text)
    assert fold_text(" ,." + " ".join(text) + ".\n") == fold_text(text)


@given(kinds, st.lists(st.text(alphabet="05.,- xRM/", max_size=8), min_size=3, max_size=3))
def test_equality_is_an_equivalence_relation(kind, texts):
    for left, right in itertools.product(texts, repeat=2):
        assert equal(kind, left, right) == equal(kind, right, left)
    first, second, third = texts
    assert equal(kind, first, first)
    if equal(kind, first, second) and equal(kind, second, third):
        assert equal(kind, first, third)


@given(*[st.decimals(min_value=0, max_value=99999, places=2) for _ in range(2)])
def test_amounts_are_equal_exactly_when_their_numbers_are(left, right):
    assert equal("money", f"RM {left:.2f}", f"{right:,.2f}") == (left == right)


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        ("money", ".50", "50"),
        ("money", "x9.00", "x900"),
        ("money", "RM 9.0O", "RM 90O"),
        ("date", "1.5.2018", "152018"),
        ("number", "a", "1"),
    ],
)
def test_a_full_stop_that_is_ignored_makes_no_two_amounts_equal(kind, left, right):
    assert not equal(kind, left, right)


def test_texts_that_are_no_such_value_are_compared_as_texts():
    assert equal("date", "Upon Signing", "upon  signing")
    assert not equal("date", "upon signing", "on delivery")
    assert equal("text", "A.B. SDN BHD", "ab sdn, bhd")


def test_parse_money_gives_the_only_amount_of_a_text():
    assert parse_money("CASH RM 3.50 ONLY") == Decimal("3.50")
    assert parse_money("RM 3.50 CASH 10.00") is None
