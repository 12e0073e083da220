import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import canonical


@given(st.times())
def test_every_time_in_figures_is_that_time(time):
    assert canonical("time", time.strftime("%H:%M")) == time.strftime("%H:%M")
    assert canonical("time", time.strftime("%I:%M %p")) == time.strftime("%H:%M")
    assert canonical("time", time.strftime("%H:%M:%S")) == time.strftime("%H:%M:%S")
    assert canonical("time", time.strftime("%Hh%M")) == time.strftime("%H:%M")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3pm", "15:00"),
        ("12 a.m.", "00:00"),
        ("12 p.m.", "12:00"),
        ("24:00", "00:00"),
        ("6.40pm", "18:40"),
        ("1530 hrs", "15:30"),
        ("half past three", "03:30"),
        ("quarter to 7 pm", "18:45"),
        ("twenty-five past ten", "10:25"),
        ("ten minutes to one", "12:50"),
        ("seven o'clock", "07:00"),
        ("midday", "12:00"),
        ("18:40:05.90", "18:40:05.9"),
        ("18:40:05.0", "18:40:05"),
        ("18:40+02:00", None),
        ("18:40 -0500", None),
        ("13 am", None),
        ("24:30", None),
        ("later", None),
    ],
)
def test_written_forms(text, value):
    assert canonical("time", text) == value


@pytest.mark.parametrize("text", ["ratio 4:3", "12/10", "1:2:3:4", "chapter 6.40", "fe80::12", "7 items", "I am here"])
def test_what_looks_like_a_time_and_is_none(find, text):
    assert find("time", text) == []


def test_two_times_of_one_moment_are_equal():
    assert canonical("time", "6:40 PM") == canonical("time", "18:40") == datetime.time(18, 40).isoformat("minutes")
