"""Times of day: figures, hours with am or pm, and a few in words."""

from __future__ import annotations

import functools

import regex

from gateway.values.ranges import DASH, JOINT_SOURCE, WORD_SOURCE

_HOURS = {
    name: number
    for number, name in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        start=1,
    )
}
_HOUR_NAME = "|".join(_HOURS)
_HALF_DAY = r"(?:[ap]\.m\.|[ap]\.?m\b)"
_NAMED = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}
_CLOCK = r"(?:[01]?\d|2[0-4])(?::[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?|h[0-5]\d)"
_SPOKEN_MINUTES = r"(?:half|quarter|(?:five|ten|twenty(?:[\s-]five)?|[1-5]?[05])(?:\sminutes)?|\d\d?\sminutes)"
# The ends of 9:00 - 17:00, 9am-5pm, 9-5pm, 9 to 5pm and 9 or 10am, and what else stands at the other side of a dash.
_START = rf"(?<![\w/.:,-])(?:{_CLOCK}(?:\s?{_HALF_DAY})?|\d\d?\s?{_HALF_DAY})"
_HOUR_BEFORE = rf"(?<![\w/.:,-])(?:1[0-2]|[1-9])(?:\s?{DASH}\s?|{WORD_SOURCE}|\s(?:and|or)\s)"
_NO_END = rf"(?<!{_START}\s?{DASH}\s?)"
_NO_START = rf"(?!\s?{DASH}\s?\d\d?(?::\d\d|\s?{_HALF_DAY})|{DASH}\d\d?(?![\d./:-]))"
TIME_SOURCE = (
    r"(?:(?<![\w:.,/-])(?=\d)(?:"
    # 18:40, 6:40:05 pm, 18h40, 6.40pm
    rf"{_NO_END}{_CLOCK}(?![\w:/]|\.\d|\s?{_HALF_DAY}){_NO_START}"
    rf"|{_NO_END}(?<!{_HOUR_BEFORE})(?:{_CLOCK}|(?:[01]?\d|2[0-4])\.[0-5]\d|(?:1[0-2]|0?[1-9]))\s?{_HALF_DAY}(?!\w){_NO_START}"
    r"|(?:[01]\d|2[0-3])[0-5]\d\s?(?:hours|hrs|h)\b"
    r")"
    rf"|\b{_SPOKEN_MINUTES}\s(?:past|to)\s(?:{_HOUR_NAME}|(?:1[0-2]|[1-9])(?!\d))(?:\s?{_HALF_DAY})?(?!\w)"
    rf"|\b(?:{_HOUR_NAME}|1[0-2]|[1-9])\s?o['\u2019]?\s?clock(?:\s?{_HALF_DAY})?\b"
    rf"|\b(?:{_HOUR_NAME})\s?{_HALF_DAY}(?!\w)"
    r"|\b(?:noon|midday|midnight)\b)"
)
_TIME_SOURCE = rf"""(?:(?P<hour>\d\d?)(?:[:.h](?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?)?
        |(?P<military>\d\d)(?P<minutes>\d\d)\s?(?:hours|hrs|h)
        |(?P<part>half|quarter|[a-z\d][a-z\d\s-]*?)(?:\sminutes)?\s(?P<side>past|to)\s(?P<of>[a-z]+|\d\d?)
        |(?P<name>[a-z]+|\d\d?)(?:\s?o['\u2019]?\s?clock)?)
        \s?(?P<half>{_HALF_DAY})?"""
_MINUTES = {"half": 30, "quarter": 15, "five": 5, "ten": 10, "twenty": 20, "twentyfive": 25}


@functools.cache
def _search() -> regex.Pattern[str]:
    return regex.compile(TIME_SOURCE, regex.IGNORECASE)


@functools.cache
def _parts() -> regex.Pattern[str]:
    return regex.compile(_TIME_SOURCE, regex.IGNORECASE | regex.VERBOSE)


@functools.cache
def _joint() -> regex.Pattern[str]:
    return regex.compile(JOINT_SOURCE, regex.IGNORECASE)


@functools.cache
def _after() -> regex.Pattern[str]:
    return regex.compile(rf"{TIME_SOURCE}|(?:{_HOUR_NAME})\b|\d\d?\b(?![/.-]\d|\s\w)", regex.IGNORECASE)


@functools.cache
def _before() -> regex.Pattern[str]:
    """The first end of a range, as far as the time behind it."""
    hour = rf"(?:\b(?:{_HOUR_NAME})|(?<![\w/.:,-])(?:1[0-9]|2[0-4]|0?[1-9]))"
    return regex.compile(rf"\b(?:between|from)\s{hour}{JOINT_SOURCE}\Z", regex.IGNORECASE)


#: How far a place is from UTC.
_OFFSET = regex.compile(r"\s?[+\u2212-](?:0\d|1[0-4]):?[0-5]\d(?![\d/.:-])")
#: How far in front of a time the first end of its range can begin.
_REACH = 40


def parse_time(text: str) -> str | None:
    """The first time of day in ``text`` as ``HH:MM``, or ``HH:MM:SS`` where seconds are given (ISO 8601).

    A fraction of a second stays (``18:40:05.9``). ``None`` where it is one end of a range, or one of two to choose
    from, and where an offset from UTC stands behind it (``18:40+02:00``): a time without one is another.
    """
    found = _search().search(text)
    if (
        found is None
        or _OFFSET.match(text, found.end())
        or _before().search(text, max(0, found.start() - _REACH), found.start())
    ):
        return None
    joint = _joint().match(text, found.end())
    if joint is not None and _after().match(text[joint.end() :]):
        return None
    written = found[0].casefold()
    if written in _NAMED:
        return _NAMED[written]
    match = _parts().fullmatch(written)
    if match is None:
        return None
    half = (match["half"] or "")[:1]
    second = match["second"]
    if match["military"]:
        hour, minute = int(match["military"]), int(match["minutes"])
    elif match["side"]:
        minute = _minutes(match["part"])
        hour = _hour(match["of"])
        if not 0 < minute < 60:
            return None
        if match["side"] == "to":
            hour, minute = (hour - 1) % 12 or 12, 60 - minute
    else:
        hour = int(match["hour"]) if match["hour"] else _hour(match["name"])
        minute = int(match["minute"] or 0)
    if half:
        if not 1 <= hour <= 23 or (hour > 12 and half == "a"):
            return None
        # 15:30 pm says the same thing twice.
        hour = hour if hour > 12 else hour % 12 + (12 if half == "p" else 0)
    if hour == 24 and minute == 0 and not int(second or 0) and not int(match["fraction"] or 0):
        hour = 0
    if hour > 23:
        return None
    if second is None:
        return f"{hour:02}:{minute:02}"
    fraction = f"{int(match['fraction'] or 0):0{len(match['fraction'] or '')}}".rstrip("0")
    return f"{hour:02}:{minute:02}:{int(second):02}" + (f".{fraction}" if fraction else "")


def _hour(name: str) -> int:
    return int(name) if name.isdecimal() else _HOURS.get(name, 99)


def _minutes(name: str) -> int:
    compact = name.replace("-", "").replace(" ", "")
    return int(compact) if compact.isdecimal() else _MINUTES.get(compact, 0)
