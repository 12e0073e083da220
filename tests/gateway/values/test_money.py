from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import MONEY_PATTERN, ValueOptions, canonical, equal, money_of_match, parse_money


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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 234.50", "1234.50"),
        ("1 999.99", "1999.99"),
        ("1\u202f234,50", "1234.50"),
        ("1\u2019234\u2019567.50", "1234567.50"),
        ("12,34,567.89", "1234567.89"),
        ("0.125", "0.125"),
        ("0,125", "0.125"),
        ("1234.567", "1234.567"),
        ("$1,234.5678", "1234.5678"),
        ("(9.00)", "-9.00"),
        ("$(9.00)", "-9.00"),
        ("(USD 9)", "-9.00"),
        ("($1.6 million)", "-1600000.00"),
        ("9.00-", "-9.00"),
        ("\u22129.00", "-9.00"),
        ("RM \u22129.00", "-9.00"),
        ("Rs. 500/-", "500.00"),
        ("Rs.50", "50.00"),
        ("CHF 5.-", "5.00"),
        (".50", "0.50"),
        ("1.5 million", "1500000.00"),
        ("thirteen", "13.00"),
        # The only amount in a text that says more.
        ("Total: € 1 234,50", "1234.50"),
        ("incl. 6% GST: 9.00", "9.00"),
        ("9.00 on 28/03/2018 at 10:33", "9.00"),
        ("Five Hundred Dollars ($500.00)", "500.00"),
        ("9.00 A", "9.00"),
        # No telling which, or how much.
        ("RM 3.50 CASH 10.00", None),
        ("$5-$6", None),
        ("1,234,5", None),
        ("1.23.456", None),
        ("0,123,456", None),
        ("12 3456", None),
        ("about $1.5 million in cash", None),
        ("loss (9.00)", None),
        ("-(9.00)", None),
        ("--9.00", None),
        ("RM 9.0O", None),
        ("x9.00", None),
        ("(" * 5000 + "9.00" + ")" * 5000, None),
    ],
)
def test_an_amount_is_read_in_whole_or_not_at_all(text, value):
    assert canonical("money", text) == value


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1.234", "1.234", "1234.00"),
        ("1,234", "1234.00", "1.2340"),
        ("€ 9.000", "9.00", "9000.00"),
        ("1.234,5", "1234.50", "1234.50"),
        ("1,5", "1.50", "1.50"),
        ("1.234.567", "1234567.00", "1234567.00"),
    ],
)
def test_the_task_s_decimal_mark_settles_what_the_writing_leaves_open(text, point, comma):
    assert canonical("money", text) == point
    assert canonical("money", text, options=ValueOptions(decimal=",")) == comma


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # Multipliers that are written with amounts.
        ("$5T", "5000000000000.00"),
        ("$5 trn", "5000000000000.00"),
        ("€5 Mrd", "5000000000.00"),
        ("$5 Mio", "5000000.00"),
        ("$5 grand", "5000.00"),
        ("5 quintillion dollars", "5000000000000000000.00"),
        ("$5 zillion", None),
        ("5 Milliarden Euro", None),
        ("about $5T", None),
        ("about $5 grand", None),
        ("9.00 T", "9.00"),
        ("9.00 GRAND TOTAL", "9.00"),
        ("5.00 gross", "5.00"),
        # A minus behind the currency, and a dash in front.
        ("9.00 USD-", "-9.00"),
        ("9.00€-", "-9.00"),
        ("9.00 RM -", "-9.00"),
        ("Refund 9.00 USD-", "-9.00"),
        ("-9.00 USD-", None),
        ("\u20139.00", "-9.00"),
        ("RM \u20139.00", "-9.00"),
        ("\u2013 $5", "-5.00"),
        ("\u20135 dollars", "-5.00"),
        ("Total \u20139.00", "-9.00"),
        ("Total \u2013 9.00", "9.00"),
        # Raised digits are no part of an amount.
        ("$5\u00b2", None),
        ("about $5\u00bd", None),
        # Number words that say something else.
        ("five or 5 dollars", None),
        ("5 dollars or six", None),
        ("ten or 5", None),
        ("five hundred dollars and ten cents ($500.10)", "500.10"),
        ("five hundred dollars ($600.00)", None),
    ],
)
def test_what_stands_beside_the_figures_counts(text, value):
    assert canonical("money", text) == value


def group(digits: str, mark: str, indian: bool) -> str:
    """Digits in threes from the right, or in the Indian way: the last three, and twos before them."""
    head, tail = digits[:-3], digits[-3:]
    size = 2 if indian else 3
    groups = [head[max(0, end - size) : end] for end in range(len(head), 0, -size)][::-1]
    return mark.join([*groups, tail])


STYLES = [
    *((mark, ".", False) for mark in ("", ",", " ", "\u00a0", "\u2009", "\u202f", "'", "\u2019")),
    *((mark, ",", False) for mark in ("", ".", " ", "\u00a0", "\u202f", "'")),
    (",", ".", True),
]
SIGNS = ["-{}", "- {}", "\u2212{}", "{}-", "{} \u2212", "({})", "( {} )"]
CURRENCIES = ["{}", "${}", "$ {}", "RM{}", "USD {}", "EUR{}", "Rs. {}", "{} €", "{} EUR", "{} dollars", "A${}", "{} kr"]


@given(
    st.decimals(0, 10**12, places=2),
    st.sampled_from(STYLES),
    st.sampled_from(SIGNS),
    st.sampled_from(CURRENCIES),
    st.booleans(),
    st.sampled_from([".", ","]),
)
def test_every_style_reads_back_as_the_same_amount_and_sign(amount, style, sign, currency, negative, decimal):
    mark, point, indian = style
    whole, _, cents = f"{amount:.2f}".partition(".")
    written = f"{group(whole, mark, indian)}{point}{cents}"
    # A sign stands in front of the currency, or around or behind the digits.
    written = currency.format(sign.format(written) if negative else written)
    expected = -amount if negative and amount else amount
    assert canonical("money", written, options=ValueOptions(decimal=decimal)) == f"{expected:.2f}"


@given(st.decimals(-(10**6), 10**6, places=5), st.sampled_from([".", ","]))
def test_amounts_with_more_decimals_are_exact_and_their_form_is_stable(amount, decimal):
    options = ValueOptions(decimal=decimal)
    # Three decimals could part thousands: a fourth is written where they stand behind another mark than the task's.
    value = canonical("money", f"{amount:.5f}", options=options)
    assert value is not None
    assert Decimal(value) == amount
    assert canonical("money", value, options=options) == value


@given(*[st.text(alphabet="0159.,- ()$\u2019", max_size=9) for _ in range(2)], st.sampled_from([".", ","]))
def test_equality_agrees_with_the_canonical_form(left, right, decimal):
    options = ValueOptions(decimal=decimal)
    values = [canonical("money", text, options=options) for text in (left, right)]
    if None not in values:
        assert equal("money", left, right, options=options) == (values[0] == values[1])
        assert (values[0] == values[1]) == (Decimal(values[0]) == Decimal(values[1]))
    elif values != [None, None]:
        assert not equal("money", left, right, options=options)


@given(st.text(alphabet="0159.,- ()$RM\u2212", max_size=12))
def test_an_amount_that_the_pattern_finds_is_read_as_it_is_alone(text):
    for match in MONEY_PATTERN.finditer(text):
        amount, alone = money_of_match(match), parse_money(match[0])
        assert amount is None or amount == alone


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
