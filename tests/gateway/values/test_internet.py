import ipaddress
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import canonical, equal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("First.Last@Example.COM", "first.last@example.com"),
        ("<a+b@mail.example.co.uk>", "a+b@mail.example.co.uk"),
        ("mailto:a@example.com", "a@example.com"),
        ("a..b@example.com", None),
        (".a@example.com", None),
        ("a@example", None),
        ("a b@example.com", None),
    ],
)
def test_email(text, value):
    assert canonical("email", text) == value


@pytest.mark.parametrize(
    "text", ["a..bc@example.com", "@handle", "see https://example.com/@me", "a@b", "5 @ 3.20 each"]
)
def test_what_looks_like_an_address_and_is_none(find, text):
    assert find("email", text) == []


def test_an_address_ends_before_the_full_stop(find):
    assert find("email", "Write to me@example.com. Or (you@example.org)!") == [
        ("me@example.com", "me@example.com"),
        ("you@example.org", "you@example.org"),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("HTTP://Example.COM:80", "http://example.com/"),
        ("https://example.com:8443/A/b?q=1#top", "https://example.com:8443/A/b?q=1#top"),
        ("www.example.org/x", "http://www.example.org/x"),
        ("example.com", "http://example.com/"),
        ("http://192.0.2.1:8080/#/123", "http://192.0.2.1:8080/#/123"),
        ("http://example.com:99999", None),
        # RFC 3986, 6.2.2: percent-encoding and dot segments.
        ("http://example.com/%7Euser", "http://example.com/~user"),
        ("http://example.com/%c3%a9", "http://example.com/%C3%A9"),
        ("http://example.com/a/./b/../c", "http://example.com/a/c"),
        ("http://example.com/../%2e%2e/c", "http://example.com/c"),
        ("http://example.com/a//b/", "http://example.com/a//b/"),
        ("http://example.com/?q=%41%26", "http://example.com/?q=A%26"),
        ("http://example.com/%2541", "http://example.com/%2541"),
        ("http://example.com/a%2E", "http://example.com/a%2E"),
        ("http://", None),
        ("http://#", None),
        ("not a url", None),
    ],
)
def test_url(text, value):
    assert canonical("url", text) == value


@pytest.mark.parametrize(
    "text", ["the end.Then", "v1.2.3", "working..is", "me@example.com", "report.pdf", "https:// nothing", "http://362"]
)
def test_what_looks_like_a_url_and_is_none(find, text):
    assert find("url", text) == []


def test_a_url_ends_before_the_punctuation_of_its_sentence(find):
    text = "See https://example.com/a,b?c=d. Or (http://example.org/x), or example.net!"
    assert [found for found, _ in find("url", text)] == [
        "https://example.com/a,b?c=d",
        "http://example.org/x",
        "example.net",
    ]


@given(st.ip_addresses())
def test_every_ip_address_is_found_and_read(find_all, address):
    assert find_all("ip", f"host {address}, up") == [(str(address), str(address))]
    if isinstance(address, ipaddress.IPv6Address):
        assert canonical("ip", address.exploded.upper()) == str(address)


@pytest.mark.parametrize(
    "text", ["1111.1.1.1", "1.1000.1.1", "12::44:f:45::1", "I said: ::", "10:33", "1.2.3", "lync:"]
)
def test_what_looks_like_an_ip_address_and_is_none(find, text):
    assert [entry for entry in find("ip", text) if entry[0] != "::"] == []


@given(st.uuids())
def test_every_guid_is_found_and_read(find_all, identifier):
    for written in (str(identifier), f"{{{identifier}}}", str(identifier).upper(), identifier.hex, identifier.urn):
        assert find_all("guid", f"id {written}.") == [(written, str(identifier))]


@pytest.mark.parametrize(
    "text",
    [
        "deadbeefdeadbeefdeadbeefdeadbeef",
        "decade facade beaded added cafe faced bade abed",
        "12 3e 45 67-e89b-12d3-a456-426655440000",
        "{123e4567-e89b-12d3-a456-426655440000",
        "123e4567e89b-12d3-a456-426655440000",
        "id 123e4567-e89b-12d3-a456-426655440000",
    ],
)
def test_hexadecimal_letters_alone_and_other_shapes_are_no_guid(text):
    assert canonical("guid", text) is None


# RFC 5894, 4.4: names with ß and final sigma are names of their own.
@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("straße.de", "strasse.de", False),
        ("http://οδος.gr", "http://οδοσ.gr", False),
        ("STRAẞE.de", "straße.de", True),
        ("http://ΟΔΟΣ.gr", "http://οδοσ.gr", True),
        ("http://xn--strae-oqa.de/", "straße.de", True),
        ("http://MÜNCHEN.de", "http://münchen.de", True),
        ("http://mu\u0308nchen.de", "http://münchen.de", True),
        ("http://xn--zzzz.de", "http://xn--ZZZZ.de", True),
    ],
)
def test_names_of_hosts_are_those_of_idna_2008(left, right, same):
    assert equal("url", left, right) == same
    local = [text.removeprefix("http://").rstrip("/") for text in (left, right)]
    if "zzzz" not in left:
        assert equal("email", *(f"me@{name}" for name in local)) == same


def test_local_parts_are_compared_letter_by_letter():
    assert equal("email", "Müller@example.com", "müller@example.com")
    assert not equal("email", "straße@example.com", "strasse@example.com")


@pytest.mark.parametrize(
    "change", [lambda text: text + "d", lambda text: "{" + text, lambda text: text[:-1], lambda text: "g" + text[1:]]
)
def test_what_looks_like_a_guid_and_is_none(find, change):
    assert find("guid", change(str(uuid.UUID(int=0x123E4567E89B12D3A456426655440000)))) == []
