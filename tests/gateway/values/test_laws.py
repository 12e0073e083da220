"""What holds for every value type: one canonical form, an equivalence relation, and patterns that find what is read."""

import itertools

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.values import PATTERNS, VALUE_TYPES, ValueOptions, canonical, equal
from gateway.values.units import UNITS

kinds = st.sampled_from(VALUE_TYPES)
options = st.builds(
    ValueOptions,
    day_first=st.booleans(),
    region=st.sampled_from([None, "GB", "US", "DE", "MY", "IN"]),
    decimal=st.sampled_from([".", ","]),
)

#: Values as they are written, for every type.
WRITTEN = {
    "text": ["Corner Shop Ltd.", "ÄÖÜ, ß"],
    "date": ["28/03/2018", "28 March 2018", "March 28th, 2018", "2018-Mar-28", "fifth day of March, 2015"],
    "time": ["18:40", "6:40 pm", "6.40pm", "half past three", "quarter to 7 pm", "noon", "1840 hrs", "7 o'clock"],
    "money": [
        "RM 9.00",
        "$5",
        "5 dollars",
        "USD 5",
        "€ 1.234,50",
        "$ 1.6 million",
        "thirteen dollars and forty-five cents",
    ],
    "number": [
        "1,234.5",
        "-7",
        "3/4",
        "1 234 567",
        "two hundred and six",
        "a quarter million",
        "1.5e3",
        "13 lakh",
        "½",
    ],
    "percent": ["12.5%", "5 percent", "5 per cent", "twenty-two percent", "-3 %"],
    "dimension": ["5 km/h", "20 kg", "three feet", "20 °C", "100 MB", "12 square metres", "4-mile"],
    "phone": ["+44 20 7946 0958", "(541) 754-3010", "0044 20 7946 0958", "020 7946 0958", "541-754-3010 x12"],
    "email": ["first.last@example.com", "a+b@mail.example.co.uk"],
    "url": ["https://example.com/a?b=c#d", "www.example.org", "example.com", "http://127.0.0.1:8080/x"],
    "ip": ["192.0.2.1", "2001:db8::1", "::1", "fe80:0:0:0:204:61ff:fe9d:f156"],
    "guid": ["123e4567-e89b-12d3-a456-426655440000", "{123E4567-E89B-12D3-A456-426655440000}"],
    "iban": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"],
    "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "tax-id": ["GB 980 7806 84", "DE136695976", "ATU13585627"],
}
EVERY = [(kind, text) for kind, texts in WRITTEN.items() for text in texts]
pieces = st.sampled_from(
    [
        *"0123456789 .,-/:+()%$@{}#",
        *(text for _, text in EVERY),
        "million",
        "and a half",
        " of ",
        "one",
        "EUR",
        " km",
        "USD",
        " to ",
        "0.009",
        "1.234",
        "12,34,567.89",
        "\u2212",
        "\u2019",
        "\u00a0",
        "\u0663",
        "ß",
        "ẞ",
        "ς",
        "Σ",
        "İ",
        "½",
        "xn--strae-oqa",
        "/-",
    ]
)
#: A value as it is written, with a little of it changed: most of what is made so is a value of some type still.
altered = st.builds(
    lambda text, position, piece, length: text[:position] + piece + text[position + length :],
    st.sampled_from([text for _, text in EVERY]),
    st.integers(0, 12),
    pieces,
    st.integers(0, 2),
)
texts = st.lists(pieces, max_size=6).map("".join)


def test_every_type_has_samples_and_a_pattern():
    assert set(WRITTEN) == set(VALUE_TYPES)
    assert set(VALUE_TYPES) <= set(PATTERNS)


@pytest.mark.parametrize(("kind", "text"), EVERY)
def test_a_written_value_is_read_and_its_canonical_form_reads_as_itself(kind, text):
    value = canonical(kind, text)
    assert value is not None
    assert canonical(kind, value) == value
    assert equal(kind, text, value)


@settings(max_examples=600)
@given(kinds, texts | altered, options)
@example("number", "1,234", ValueOptions(decimal=","))
@example("percent", "1,234%", ValueOptions(decimal=","))
@example("dimension", "1,234 km", ValueOptions(decimal=","))
@example("dimension", "9 ms", ValueOptions(decimal=","))
@example("money", "$1,234.5678", ValueOptions())
@example("money", "1,234", ValueOptions(decimal=","))
@example("phone", "0020 746 0958", ValueOptions(region="MY"))
@example("phone", "541-754-3010 x1\u0663", ValueOptions())
@example("ip", "fe80::1%\u00a0", ValueOptions())
def test_the_canonical_form_is_its_own(kind, text, options):
    value = canonical(kind, text, options=options)
    if value is not None:
        assert canonical(kind, value, options=options) == value
        assert equal(kind, text, value, options=options)


numbers = st.decimals(-(10**9), 10**9, places=4) | st.decimals(-10, 10, places=6) | st.integers(-5000, 5000)


@given(numbers, st.sampled_from(["number", "percent", "dimension", "money"]), st.sampled_from(sorted(UNITS)), options)
def test_what_is_written_of_a_number_reads_back_under_all_options(number, kind, unit, options):
    value = canonical(kind, f"{number} {unit}" if kind == "dimension" else f"{number}", options=options)
    # Without a fraction there is nothing that a decimal mark could be taken for.
    if isinstance(number, int):
        assert value is not None
    assert value is None or canonical(kind, value, options=options) == value


@given(kinds, st.lists(texts, min_size=3, max_size=3))
def test_equality_is_an_equivalence_relation(kind, three):
    for left, right in itertools.product(three, repeat=2):
        assert equal(kind, left, right) == equal(kind, right, left)
    first, second, third = three
    assert equal(kind, first, first)
    if equal(kind, first, second) and equal(kind, second, third):
        assert equal(kind, first, third)


#: Forms that have a recogniser of their own, wider than the type's.
WIDER = {"date": "full-date", "money": "currency-amount"}


def found(name, text):
    return [match[0] for match in regex.finditer(PATTERNS[name], text, regex.IGNORECASE | regex.MULTILINE)]


@pytest.mark.parametrize(("kind", "text"), [entry for entry in EVERY if entry[0] not in ("text", "tax-id")])
def test_the_pattern_finds_the_value_in_a_sentence(kind, text):
    assert text in found(WIDER.get(kind, kind), f"They wrote {text}, it seems.")
    assert text in found(WIDER.get(kind, kind), f"{text}\nand so on")


@pytest.mark.parametrize("text", WRITTEN["tax-id"])
def test_tax_identifiers_are_found_behind_a_label(text):
    assert text in found("tax-id", f"VAT: {text}.")


@pytest.mark.parametrize("name", [*VALUE_TYPES, *WIDER.values()])
def test_a_pattern_may_stand_twice_in_a_rule(name):
    # Groups would be numbered anew, and a name would mean two things.
    regex.compile(f"(?:{PATTERNS[name]})(?:{PATTERNS[name]})", regex.IGNORECASE | regex.MULTILINE)
    assert "value" not in regex.compile(PATTERNS[name]).groupindex


@given(st.sampled_from(sorted(PATTERNS)), texts)
def test_no_pattern_matches_nothing(name, text):
    assert all(found(name, text))
