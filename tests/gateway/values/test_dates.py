import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import canonical, parse_date

_NAMES = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth "
    "twenty-first twenty-second twenty-third "
    "twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first "
)
ORDINALS = _NAMES.split()


@given(st.dates(datetime.date(1950, 1, 1), datetime.date(2069, 12, 31)))
def test_days_in_words_and_years_first(date):
    day, month = ORDINALS[date.day - 1], date.strftime("%B")
    assert parse_date(f"this {day} day of {month}, {date.year}") == date
    assert parse_date(f"{month} the {day}, {date.year}") == date
    assert parse_date(f"{date.day}th {month} of {date.year}") == date
    assert parse_date(f"{date.year}-{month[:3]}-{date.day:02}") == date


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("the 5th day of March in the year 2015", "2015-03-05"),
        ("May the eleventh, two thousand and sixteen", "2016-05-11"),
        ("July fourth, nineteen ninety-nine", "1999-07-04"),
        ("thirty first of April 2015", None),
        ("4th of March", None),
        ("next Monday", None),
    ],
)
def test_dates_in_words(text, value):
    assert canonical("date", text) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on Monday January 12th, 2016 at noon", ["Monday January 12th, 2016"]),
        ("from 01/02/2018 until Friday 2018-7-6", ["01/02/2018", "Friday 2018-7-6"]),
        ("may 20 people come, march on", []),
        ("call 2018-555-123 or see 6 1/4 %", []),
    ],
)
def test_dates_in_text(find, text, expected):
    assert [found for found, _ in find("date", text, name="full-date")] == expected
