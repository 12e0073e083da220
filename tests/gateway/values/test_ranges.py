"""A range is no date and no time, neither its first end nor its last."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import canonical, parse_date

dates = st.dates(datetime.date(1971, 1, 1), datetime.date(2068, 12, 31))
written = st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%Y", "%A, %d %b %Y"])
joints = st.sampled_from(
    [" - ", "\u2013", " \u2013 ", " to ", " until ", " through ", " and ", " or ", " / ", " up to and including "]
)


@given(dates, dates, written, joints)
def test_two_dates_that_something_joins_are_none(first, last, form, joint):
    text = f"{first.strftime(form)}{joint}{last.strftime(form)}"
    assert parse_date(text) == (first if first == last else None)
    assert parse_date(f"open from {text} daily") == (first if first == last else None)


@given(dates, st.integers(1, 28), st.sampled_from([" - ", " to ", " and ", " or ", "\u2013"]))
def test_days_that_share_a_month_are_none(date, day, joint):
    assert canonical("date", f"{day}{joint}{date.strftime('%d %B %Y')}") is None
    assert canonical("date", f"{date.strftime('%B')} {day}{joint}{date.strftime('%d, %Y')}") is None


@given(st.times(), st.times(), st.sampled_from(["-", " - ", "\u2013", " to ", " until ", " and ", " or "]))
def test_two_times_that_something_joins_are_none(first, last, joint):
    for form in ("%H:%M", "%I:%M %p"):
        assert canonical("time", f"{first.strftime(form)}{joint}{last.strftime(form)}") is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "1-3 March 2018"),
        ("date", "1 March - 3 April 2018"),
        ("date", "the first to the third of March, 2018"),
        ("date", "between 1 and 3 March 2018"),
        ("date", "Jan 5 - Feb 6, 2018"),
        ("date", "2018-01-01/2018-02-01"),
        ("date", "28, 29 March 2018"),
        ("date", "28 March, 29 March 2018"),
        ("time", "9-5pm"),
        ("time", "9 to 5pm"),
        ("time", "between 9 and 10am"),
        ("time", "from nine to five o'clock"),
        ("time", "8:00 until noon"),
    ],
)
def test_ranges_whose_ends_need_each_other(kind, text):
    assert canonical(kind, text) is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("date", "signed on 3 March 2018 by both", "2018-03-03"),
        ("date", "28/03/2018 - 18:40", "2018-03-28"),
        ("date", "28/03/2018-18:40", "2018-03-28"),
        ("date", "open 9-5, closed 3 March 2018", "2018-03-03"),
        ("date", "from 3 March 2018", "2018-03-03"),
        ("date", "Monday, 3 March 2018", "2018-03-03"),
        ("date", "at 18:40, 3 March 2018", "2018-03-03"),
        ("date", "28/03/2018 and 28 March 2018", "2018-03-28"),
        ("time", "28/03/2018 - 18:40", "18:40"),
        ("time", "18:40 - 20 items", "18:40"),
        ("time", "20 to 7", "06:40"),
        ("time", "ten to five", "04:50"),
    ],
)
def test_a_single_one_in_a_sentence_is_read(kind, text, value):
    assert canonical(kind, text) == value
