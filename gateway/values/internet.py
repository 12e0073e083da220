"""What names something on a network: e-mail address, URL, IP address, GUID."""

from __future__ import annotations

import functools
import ipaddress
import unicodedata
import uuid
from urllib.parse import urlsplit

import regex

from gateway.values.domains import TOP_LEVEL_SOURCE

#: The characters of RFC 5322's "atom"; dots join atoms. Quoted local parts, which nobody writes, are not looked for.
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]"
_ADDRESS_LITERAL = r"\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9a-f:.]{2,45})\]"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?+"
EMAIL_SOURCE = (
    rf"(?<![\w!#$%&*+/=?^`{{|}}~.@-])(?!['/]){_ATOM}(?:{_ATOM}|\.(?![.@])){{0,63}}+"
    rf"@(?:(?:{_LABEL}\.){{1,8}}[^\W\d_](?:[\w-]{{0,61}}[^\W_])|{_ADDRESS_LITERAL})(?![\w@-]|\.\w)"
)

_HOST_ENDS = r"(?![\w@-]|\.\w)"
# Path, query and fragment end before the punctuation that ends a sentence.
_REST = r"(?::\d{1,5}(?!\d))?(?:[/?#][^\s<>\"`{}|\\^\[\]]{0,1900}(?:(?<![.,;:!?')])|(?<=[\w/.=-]\([^\s()/:]{0,99}\))))?"
_USER = r"(?:[\w.~%+-]{1,64}(?::[\w.~%!$&*+=-]{0,64})?@)?"
_HOST = (
    r"(?:(?:[^\W_][\w-]{0,62}+\.){1,8}[^\W\d_][\w-]{1,62}|\d{1,3}(?:\.\d{1,3}){3}|localhost"
    r"|\[(?=[0-9a-f]*:)[0-9a-f:.]{2,45}\])"
)
URL_SOURCE = (
    rf"(?<![\w@.-])(?:(?:https?|ftp)://{_USER}{_HOST}(?![\w@-]){_REST}"
    rf"|www\.(?:{_LABEL}\.){{1,8}}[^\W\d_]{{2,63}}+{_HOST_ENDS}{_REST}"
    rf"|(?:{_LABEL}\.){{1,8}}{TOP_LEVEL_SOURCE}{_HOST_ENDS}{_REST})"
)

_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_V4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}(?!\d)"
IP_SOURCE = (
    rf"(?:(?<![\w.:-]|\d[/,]){_V4}(?![\w-]|\.\w)"
    rf"|(?<![\w.:])(?:[0-9a-f]{{1,4}}::?|::){{1,8}}+(?:{_V4}|[0-9a-f]{{1,4}})?(?<=[0-9a-f]|::)(?:%[a-z]\w{{0,14}})?(?![\w:]|\.\w))"
)
# Python takes anything for a zone.
_ADDRESS = regex.compile(r"[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]{1,32})?")
_NAME = regex.compile(r"[\w-]+")
_ENCODED = regex.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = regex.compile(r"[A-Za-z0-9._~-]")
_MAILTO = regex.compile(r"^mailto:", regex.IGNORECASE)
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# 32 characters in a row are taken only where one of them is a digit: letters alone may be words.
_COMPACT = r"[0-9a-f]{32}(?<=[0-9][a-f]{0,31})"
GUID_SOURCE = (
    rf"(?:(?<![\w-])(?=[0-9a-fu])(?:(?<!\{{)(?:urn:uuid:)?{_GUID}(?![\w}}-])|{_COMPACT}(?![\w-]))"
    rf"|(?<!\w)(?:\{{(?:{_GUID}|{_COMPACT})\}}|%7B{_GUID}%7D))"
)


def parse_email(text: str) -> str | None:
    """An address in lower case with its domain in Unicode, checked by ``email-validator`` (syntax only, no network).

    Local parts are compared without regard to case: RFC 5321 would let a host tell them apart, and none does.
    """
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(
            _MAILTO.sub("", text.strip().strip("<>")),
            check_deliverability=False,
            test_environment=True,
            allow_domain_literal=True,
        )
    except EmailNotValidError:
        return None
    return f"{_lower(checked.local_part)}@{checked.domain}"


def _lower(name: str) -> str:
    """Lower case letter by letter: unlike case folding it keeps *straße* and *strasse* apart, as names of hosts are."""
    return unicodedata.normalize("NFC", "".join(char.lower() for char in name))


def _host(name: str) -> str:
    """A host's name in lower case and Unicode, so that its two forms (IDNA 2008: *xn--strae-oqa.de*) are one.

    Compatibility characters become what they stand for; ß and final sigma stay (UTS 46, non-transitional).
    """
    return ".".join(_label(_lower(unicodedata.normalize("NFKC", label))) for label in name.split("."))


def _label(label: str) -> str:
    if not label.startswith("xn--") or not label.isascii():
        return label
    try:
        written = label[4:].encode().decode("punycode")
    except UnicodeError:
        return label
    is_normal = not written.isascii() and _NAME.fullmatch(written) and _lower(written) == written
    return written if is_normal and unicodedata.normalize("NFKC", written) == written else label


@functools.cache
def _url() -> regex.Pattern[str]:
    return regex.compile(URL_SOURCE, regex.IGNORECASE)


def parse_url(text: str) -> str | None:
    """A URL in the normal form of RFC 3986, 6.2: scheme and host in lower case, no default port, ``/`` for no path, no
    dot segments, percent-encoding in capitals and only where it is needed.

    A name without a scheme is read as ``http``.
    """
    text = text.strip()
    if not _url().fullmatch(text):
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.casefold()
    user, at, place = parts.netloc.rpartition("@")
    host = f"[{parse_ip(parts.hostname or '')}]" if place.startswith("[") else _host(place.partition(":")[0])
    if host == "[None]":
        return None
    if port is not None and port != {"http": 80, "https": 443, "ftp": 21}.get(scheme):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    place = f"{scheme}://{user}{at}{host}"
    normal = f"{place}{_without_dots(_decoded(parts.path)) or '/'}{_decoded(query + fragment)}"
    # A full stop at the end, once decoded, would be taken for the end of a sentence.
    return normal if _url().fullmatch(normal) else f"{place}{parts.path or '/'}{query}{fragment}"


def _decoded(text: str) -> str:
    """Percent-encoding in its normal form (RFC 3986, 6.2.2): capitals, and none where a character needs none."""
    return _ENCODED.sub(
        lambda match: char if _UNRESERVED.fullmatch(char := chr(int(match[1], 16))) else match[0].upper(), text
    )


def _without_dots(path: str) -> str:
    """A path without ``.`` and ``..`` (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == ".." and len(kept) > 1:
            kept.pop()
        if segment not in (".", ".."):
            kept.append(segment)
        elif last:
            kept.append("")
    return "/".join(kept)


def parse_ip(text: str) -> str | None:
    """An IPv4 or IPv6 address; the latter as RFC 5952 writes it."""
    text = text.strip()
    if not _ADDRESS.fullmatch(text):
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def parse_guid(text: str) -> str | None:
    """A GUID (UUID) in lower case with hyphens, whatever brackets it stands in."""
    match = _guid().fullmatch(text.strip())
    return str(uuid.UUID(hex=match["digits"])) if match else None


@functools.cache
def _guid() -> regex.Pattern[str]:
    digits = rf"(?P<digits>{_GUID}|{_COMPACT})"
    return regex.compile(
        rf"(?:urn:uuid:)?{digits}|\{{{digits}\}}|\({digits}\)|%7B{digits}%7D|(?P<quote>[\"']){digits}(?P=quote)",
        regex.IGNORECASE,
    )
