from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import ValueOptions, canonical
from gateway.values.numbers import format_number

COMMA = ValueOptions(decimal=",")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", "1234"),
        ("1.234", "1.234"),
        ("1.234.567", "1234567"),
        ("1.234,5", "1234.5"),
        ("12,34,567", "1234567"),
        ("9,87,65,432.10", "98765432.1"),
        ("7 thousand 2 hundred and 5", "7205"),
        ("4 crore and six hundred", "40000600"),
        ("one over 8", "0.125"),
        ("2 bln", "2000000000"),
        ("1 234 567,8", "1234567.8"),
        ("3,14", "3.14"),
        ("2 1/2", "2.5"),
        ("-1 1/4", "-1.25"),
        ("2½", "2.5"),
        ("1/3", "0.333333333333333"),
        ("2^10", "1024"),
        ("6.02e23", "602" + "0" * 21),
        ("1.2b", "1200000000"),
        ("5k", "5000"),
        ("3 million and a half", "3500000"),
        ("minus seven", "-7"),
        ("nineteen", "19"),
        ("one hundred and twenty-three thousand four hundred and five", "123405"),
        ("two hundred thousand million", "200000000000"),
        ("half a dozen", "6"),
        ("three and a quarter", "3.25"),
        ("five eighths", "0.625"),
        ("zero point zero five", "0.05"),
        ("a hundredth", "0.01"),
        ("one in ten", None),
        ("several", None),
    ],
)
def test_written_forms(text, value):
    assert canonical("number", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("two point five million", "2500000"),
        ("minus 5", "-5"),
        ("negative two thirds", "-0.666666666666667"),
        ("1'234'567", "1234567"),
        ("2.5 x 10^-3", "0.0025"),
        ("3 × 10⁶", "3000000"),
        ("2 × 10⁻³", "0.002"),
        ("7 3 / 4", "7.75"),
        ("1-1/2", "1.5"),
        ("4 fifths", "0.8"),
        ("1 out of 5", "0.2"),
        ("two and half", "2.5"),
        ("3 dz", "36"),
        ("five dozs", "60"),
        # The only number of a text that says more.
        ("a table for 6 people", "6"),
        ("1,234.5 of them", "1234.5"),
        # No telling which, or how many.
        ("2 adults and 4 children", None),
        ("3-5", None),
        ("1,234,5", None),
        ("5 million people", None),
    ],
)
def test_more_written_forms(text, value):
    assert canonical("number", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10\u207b\u00b3", "0.001"),
        ("10\u00b2", "100"),
        ("2\u00b2", "4"),
        ("about 10\u00b2", None),
        ("\u20135", "-5"),
        ("5 Mio", "5000000"),
        ("5 Mrd", "5000000000"),
        ("5 quintillion", "5000000000000000000"),
        ("five quintillion", "5000000000000000000"),
        ("5 gross", None),
        ("5 score", None),
        ("5 grand", None),
        ("5 zillion", None),
        ("ten or 5", None),
        ("5 or six", None),
        # Longer than any number in use.
        ("9" * 5000, None),
        ("1e250", None),
        (f"0.{'0' * 100}1^-300", None),
    ],
)
def test_powers_multipliers_and_number_words_are_read_or_the_number_is_none(text, value):
    assert canonical("number", text) == value


@pytest.mark.parametrize(
    ("text", "expected"), [("about 10\u207b\u00b3 of", ["10\u207b\u00b3"]), ("5 Mio users", ["5 Mio"])]
)
def test_powers_and_multipliers_are_found_whole(find, text, expected):
    assert [found for found, _ in find("number", text)] == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.009", "0.009"), ("0,009", "0.009"), ("about 1,5", "1.5"), ("-0.125", "-0.125")],
)
def test_a_nought_in_front_says_what_the_mark_is(text, value):
    assert canonical("number", text) == value
    assert float(canonical("number", text, options=COMMA)) == float(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.234", "1234"), ("1,234", "1.2340"), ("1.234,5", "1234.5"), ("1,234.5", "1234.5"), ("1.5", "1.5")],
)
def test_the_task_s_decimal_mark_settles_what_the_writing_leaves_open(text, value):
    assert canonical("number", text, options=COMMA) == value


@pytest.mark.parametrize(
    "text",
    [
        "room B-12", "COVID-19", "a 250ml bottle", "on May 4th", "the first class", "12/11/2019", "at 12:30", "v1.2.3",
        "this one is better", "no one knows", "a 12th man",
    ],
)  # fmt: skip
def test_what_looks_like_a_number_and_is_none(find, text):
    assert find("number", text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 3 to 5 people", ["3", "5"]),
        ("It costs $2000, not $1,500.50.", ["2000", "1,500.50"]),
        ("twenty-one or two dozen eggs", ["twenty-one", "two dozen"]),
        ("zero is not -1", ["zero", "-1"]),
        ("5 - 7", ["5", "7"]),
    ],
)
def test_numbers_in_text(find, text, expected):
    assert [found for found, _ in find("number", text)] == expected


@given(st.integers(0, 10**15))
def test_integers_grouped_in_any_way_are_that_integer(number):
    for mark in (",", ".", " ", "\u202f"):
        grouped = f"{number:,}".replace(",", mark)
        options = COMMA if mark == "." else ValueOptions()
        assert canonical("number", grouped, options=options) == str(number)


@given(st.fractions(max_denominator=10**6))
def test_formatting_is_exact_where_it_ends_and_close_where_it_does_not(number):
    written = Fraction(format_number(number))
    assert abs(written - number) <= abs(number) * Fraction(1, 10**14)
    if number.denominator in (1, 2, 4, 5, 8, 10, 100, 125):
        assert written == number


ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
ONES = [*ONES.split(), "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spell(number: int, joint: str) -> str:
    """English words for a number below 10¹²; ``joint`` stands behind hundreds."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            words = f"{spell(number // size, joint)} {name}"
            return words + (f"{joint if size == 100 else ' '}{spell(rest, joint)}" if rest else "")
    raise AssertionError(number)


@given(st.integers(0, 10**12 - 1), st.sampled_from([" and ", " "]))
def test_every_cardinal_in_words_is_its_number(number, joint):
    assert canonical("number", spell(number, joint)) == str(number)
    assert canonical("number", f"Minus {spell(number, joint)}") == ("0" if number == 0 else f"-{number}")
