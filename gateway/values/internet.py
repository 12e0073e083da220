"""What names something on a network: e-mail address, URL, IP address, GUID."""

from __future__ import annotations

import functools
import ipaddress
import uuid
from urllib.parse import urlsplit

import regex

#: The characters of RFC 5322's "atom"; dots join atoms. Quoted local parts, which nobody writes, are not looked for.
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?+"
EMAIL_SOURCE = (
    rf"(?<![\w!#$%&'*+/=?^`{{|}}~.@-]){_ATOM}(?:{_ATOM}|\.(?![.@])){{0,63}}+"
    rf"@(?:{_LABEL}\.){{1,8}}[^\W\d_](?:[\w-]{{0,61}}[^\W_])(?![\w@-]|\.\w)"
)

# A name without a scheme is only a URL under a top-level domain that file names, versions and run-together sentences
# seldom end in: generic ones in wide use and the countries' (IANA root zone).
_GENERIC = "com org net edu gov mil int info biz name pro jobs mobi coop aero asia app dev cloud online site shop xyz"
_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd"
    " cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge"
    " gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh"
    " ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw"
    " mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb"
    " sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk"
    " us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
_TOP_LEVEL = "|".join((*_GENERIC.split(), *_COUNTRIES.split()))
_HOST_ENDS = r"(?![\w@-]|\.\w)"
# Path, query and fragment end before the punctuation that ends a sentence.
_REST = r"(?::\d{1,5}(?!\d))?(?:[/?#][^\s<>\"`{}|\\^\[\]]{0,1900}(?<![.,;:!?')]))?"
URL_SOURCE = (
    r"(?<![\w@.-])(?:(?:https?|ftp)://"
    rf"(?:(?:[^\W_][\w-]{{0,62}}+\.){{1,8}}[^\W\d_][\w-]{{1,62}}|\d{{1,3}}(?:\.\d{{1,3}}){{3}}|localhost)(?![\w-]){_REST}"
    rf"|www\.(?:{_LABEL}\.){{1,8}}[^\W\d_]{{2,63}}+{_HOST_ENDS}{_REST}"
    rf"|(?:{_LABEL}\.){{1,8}}(?:{_TOP_LEVEL}){_HOST_ENDS}{_REST})"
)

_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_V4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}(?!\d)"
IP_SOURCE = (
    rf"(?:(?<![\w.:-]|\d[/,]){_V4}(?![\w-]|\.\w)"
    rf"|(?<![\w.:])(?:[0-9a-f]{{1,4}}::?|::){{1,8}}+(?:{_V4}|[0-9a-f]{{1,4}})?(?<=[0-9a-f]|::)(?![\w:]|\.\w))"
)
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
GUID_SOURCE = (
    rf"(?:(?<![\w{{-])(?:urn:uuid:)?{_GUID}(?![\w}}-])|(?<!\w)\{{{_GUID}\}}|(?<!\w)%7B{_GUID}%7D"
    r"|(?<![\w-])[0-9a-f]{32}(?![\w-]))"
)
_HEX_DIGITS = regex.compile(r"[^0-9a-f]+")


def parse_email(text: str) -> str | None:
    """An address in lower case with its domain in Unicode, checked by ``email-validator`` (syntax only, no network).

    Local parts are compared without regard to case: RFC 5321 would let a host tell them apart, and none does.
    """
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(
            text.strip().strip("<>").removeprefix("mailto:"),
            check_deliverability=False,
            test_environment=True,
        )
    except EmailNotValidError:
        return None
    return checked.normalized.casefold()


@functools.cache
def _url() -> regex.Pattern[str]:
    return regex.compile(URL_SOURCE, regex.IGNORECASE)


def parse_url(text: str) -> str | None:
    """A URL in the normal form of RFC 3986, 6.2: scheme and host in lower case, no default port, ``/`` for no path.

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
    host = (parts.hostname or "").casefold()
    if port is not None and port != {"http": 80, "https": 443, "ftp": 21}.get(scheme):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{scheme}://{host}{parts.path or '/'}{query}{fragment}"


def parse_ip(text: str) -> str | None:
    """An IPv4 or IPv6 address; the latter as RFC 5952 writes it."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None


def parse_guid(text: str) -> str | None:
    """A GUID (UUID) in lower case with hyphens, whatever brackets it stands in."""
    text = text.strip().casefold().removeprefix("urn:uuid:")
    digits = _HEX_DIGITS.sub("", text.removeprefix("%7b").removesuffix("%7d"))
    return str(uuid.UUID(hex=digits)) if len(digits) == 32 else None
