import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import ValueOptions, canonical


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$5", "5.00"),
        ("5 dollars", "5.00"),
        ("USD 5", "5.00"),
        ("5 USD", "5.00"),
        ("US$ 1,200", "1200.00"),
        ("C$16.4 million", "16400000.00"),
        ("€ 1.234,50", "1234.50"),
        ("1 234,50 €", "1234.50"),
        ("2.5m euros", "2500000.00"),
        ("GBP 3bn", "3000000000.00"),
        ("420 million Finnish markka", "420000000.00"),
        ("20 billion francs", "20000000000.00"),
        ("309,381 yen", "309381.00"),
        ("thirteen dollars", "13.00"),
        ("thirteen dollars and forty-five cents", "13.45"),
        ("thirteen dollars forty-five", "13.45"),
        ("50 pence", "0.50"),
        ("1.25 cents", "0.0125"),
        ("five mao", "0.50"),
        ("-$5", "-5.00"),
        ("- 5 dollars", "-5.00"),
        ("a million dollars", "1000000.00"),
        ("dollars", None),
    ],
)
def test_written_forms(text, value):
    assert canonical("money", text) == value


def test_the_decimal_mark_matters_before_a_multiplier():
    assert canonical("money", "1.234 million euros") == "1234000.00"
    assert canonical("money", "1.234 million euros", options=ValueOptions(decimal=",")) == "1234000000.00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("between $5 and 7 dollars", ["$5", "7 dollars"]),
        ("It rose from EUR 1.2m to EUR 1.5m.", ["EUR 1.2m", "EUR 1.5m"]),
        ("a 12-cent dividend on a $70-a-share bid", ["12-cent", "$70"]),
        ("He paid £3 and RM12.50 and 100 rupees", ["£3", "RM12.50", "100 rupees"]),
        ("All 70 of us try 5 things", []),
        ("The 1990 model, 20 kg, 5 % off, at 18:40", []),
        ("top 10, mad 3", []),
    ],
)
def test_amounts_with_a_currency_in_text(find, text, expected):
    assert [found for found, _ in find("money", text, name="currency-amount")] == expected


@given(st.integers(0, 10**9), st.sampled_from(["$", "€", "£", "USD ", "EUR ", "RM", "Rs. "]))
def test_the_currency_in_front_changes_nothing(amount, sign):
    assert canonical("money", f"{sign}{amount:,}") == f"{amount}.00"


@given(st.integers(1, 999), st.sampled_from([("thousand", 3), ("million", 6), ("billion", 9)]))
def test_a_multiplier_multiplies(number, scale):
    name, zeros = scale
    assert canonical("money", f"$ {number} {name}") == f"{number}{'0' * zeros}.00"
