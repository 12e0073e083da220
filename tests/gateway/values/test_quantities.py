import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import canonical, equal
from gateway.values.units import UNITS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5%", "5%"),
        ("5 percent", "5%"),
        ("12,5 %", "12.5%"),
        ("per cent of twenty-two", "22%"),
        ("one hundred percents", "100%"),
        ("-0.5 percentage points", "-0.5%"),
        ("50", "50%"),
        ("percent", None),
    ],
)
def test_percentages(text, value):
    assert canonical("percent", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5\u2030", "0.5%"),
        ("5 per mille", "0.5%"),
        ("5 per thousand", "0.5%"),
        ("five basis points", "0.05%"),
        ("25 bps", "0.25%"),
        ("8 pieces (BP.ME)", "8%"),
        ("-5 \u2030", "-0.5%"),
        ("5 ppm", None),
        ("5 per million", None),
        ("5% or 3\u2030", None),
        ("5% per annum", "5%"),
    ],
)
def test_smaller_shares_than_a_hundredth(text, value):
    assert canonical("percent", text) == value


@pytest.mark.parametrize("text", ["50 people", "#5 of 10", "5 per customer", "100 cents"])
def test_what_looks_like_a_percentage_and_is_none(find, text):
    assert find("percent", text) == []


# Exact by definition: the pound and the yard of 1959, the US gallon of 231 cubic inches, the knot.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5 km", "5000 m"),
        ("three feet", "0.9144 m"),
        ("four-mile", "6437.376 m"),
        ("12 square metres", "12 m2"),
        ("1 acre", "4046.8564224 m2"),
        ("1 gallon", "3.785411784 l"),
        ("20 (kg)", "20 kg"),
        ("1 lb", "0.45359237 kg"),
        ("150 microgrammes", "0.00000015 kg"),
        ("2 cubic feet", "56.633693184 l"),
        ("5 [kg]", "5 kg"),
        ("90 km/h", "25 m/s"),
        ("20 °C", "293.15 K"),
        ("68 °F", "293.15 K"),
        ("-40 degrees Celsius", "233.15 K"),
        ("1 MB", "8000000 bit"),
        ("1 mb", "1000000 bit"),
        ("1 KiB", "8192 bit"),
        ("2.4 billion gallons", "9084988281.6 l"),
        ("5", None),
        ("5 apples", None),
    ],
)
def test_dimensions(text, value):
    assert canonical("dimension", text) == value


@pytest.mark.parametrize(
    "text",
    ["at 2:00 pm", "5 million dollars", "I'm 5", "SCP-173 m", "the 1980s", "5K run", "10 items in stock", "5 kmh2x"],
)
def test_what_looks_like_a_dimension_and_is_none(find, text):
    assert find("dimension", text) == []


@pytest.mark.parametrize("name", sorted(UNITS))
def test_every_unit_is_found_and_read_under_each_of_its_names(find, name):
    written = f"3 {name}"
    assert [found for found, _ in find("dimension", f"about {written}.")] == [written]


def test_every_base_unit_is_a_unit():
    for unit in UNITS.values():
        assert UNITS[unit.base].base == unit.base
        assert (UNITS[unit.base].factor, UNITS[unit.base].offset) == (1, 0)


# Exact by definition: the yard of 1959, the horsepower of 550 foot-pounds a second, the standard atmosphere.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("36 miles an hour", "16.09344 m/s"),
        ("1 hp", "745.69987158227022 W"),
        ("1 atm", "101325 Pa"),
        ("60 rpm", "1 Hz"),
        ("1 furlong", "201.168 m"),
        ("1 sq ft", "0.09290304 m2"),
        ("1 cubic-foot", "28.316846592 l"),
        ("2 mAh", "7.2 A.s"),
        ("1 MB/s", "8000000 bit/s"),
        ("minus 40 degrees F", "233.15 K"),
        ("half a mile", "804.672 m"),
        ("9 ms", "0.009 s"),
    ],
)
def test_more_dimensions(text, value):
    assert canonical("dimension", text) == value


# Symbols of the SI that differ in letter case alone.
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("400 MV", "400 mV"), ("5 MA", "5 mA"), ("5 Mg", "5 mg"), ("5 Mm", "5 mm"), ("5 ML", "5 ml"),
        ("5 mPa", "5 MPa"), ("5 mHz", "5 MHz"), ("5 mJ", "5 MJ"), ("5 mΩ", "5 MΩ"), ("5 T", "5 t"), ("5 S", "5 s"),
        ("5 Nm", "5 nm"), ("5 MW", "5 mW"), ("5 MB", "5 mb"), ("5 pA", "5 Pa"), ("5 G", "5 g"), ("5 kN", "5 kn"),
    ],
)  # fmt: skip
def test_letter_case_parts_units(left, right):
    assert canonical("dimension", right) is not None
    assert not equal("dimension", left, right)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5 mJ", "0.005 J"),
        ("5 mΩ", "0.005 ohm"),
        ("5 T", None),
        ("5 S", None),
        ("5 ML", None),
        ("5 mw", None),
        ("500 mL", "0.5 l"),
        ("25 MM", "0.025 m"),
        ("5 KG", "5 kg"),
        ("5 Kg", "5 kg"),
        ("60 MPH", "26.8224 m/s"),
        ("20 MPA", "20000000 Pa"),
        ("5 mhz", "5000000 Hz"),
        ("100 w", "100 W"),
        ("5 Feet", "1.524 m"),
    ],
)
def test_letter_case_is_free_where_no_other_unit_is_meant(text, value):
    assert canonical("dimension", text) == value


@given(st.decimals(0, 10**6, places=3))
def test_equal_quantities_in_different_units_are_equal(number):
    assert equal("dimension", f"{number} km", f"{number * 1000} m")
    assert equal("dimension", f"{number} kg", f"{number * 1000} grams")
