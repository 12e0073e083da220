"""No value is so long that reading it takes long or fails, whatever it is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import VALUE_TYPES, canonical, equal, parse_money
from gateway.values.types import longest_value

BOUNDED = [kind for kind in VALUE_TYPES if kind != "text"]


@pytest.mark.parametrize("kind", BOUNDED)
@pytest.mark.parametrize("piece", ["9", "9,", "a.", "1 ", "one ", "5% "])
def test_what_is_longer_is_no_value(kind, piece):
    text = piece * 20_000
    assert canonical(kind, text) is None
    assert canonical(kind, text[: (longest_value(kind) or 0) + 1]) is None


def test_what_is_as_long_as_may_be_is_read():
    assert canonical("number", "9" * 200) == "9" * 200
    # The two decimals make it longer.
    assert canonical("money", "9" * 197) == "9" * 197 + ".00"
    assert canonical("money", "9" * 198) is None
    assert canonical("url", "http://example.com/" + "a" * 981) is not None
    assert canonical("url", "http://example.com/" + "a" * 982) is None
    assert parse_money("9" * 201) is None


def test_texts_of_any_length_are_compared():
    assert equal("text", "A, " * 5000, "a" * 5000)
    assert not equal("text", "a" * 5000, "a" * 5001)


@given(
    st.sampled_from(["number", "money", "percent", "dimension"]),
    st.text(alphabet="09.,^e-\u207b\u00b2\u00bd/", min_size=1, max_size=20),
    st.integers(1, 10),
    st.sampled_from(["", " million", " quintillion", "%", " km/h", "e300", "^-300", "\u207b\u00b3"]),
)
def test_no_writing_of_figures_makes_reading_fail(kind, piece, times, ending):
    value = canonical(kind, piece * times + ending)
    assert value is None or (len(value) <= 200 and canonical(kind, value) == value)
