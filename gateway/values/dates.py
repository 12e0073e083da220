"""Dates: their written forms, and the day each stands for."""

from __future__ import annotations

import datetime
import functools

import regex

from gateway.values.ranges import DASH, JOINT_SOURCE, WORD_SOURCE
from gateway.values.types import LONGEST
from gateway.values.word_values import read_words
from gateway.values.words import SMALL_SOURCE

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january",
            "feb february",
            "mar march mac",
            "apr april",
            "may mei",
            "jun june",
            "jul july",
            "aug august ogos",
            "sep sept september",
            "oct october okt",
            "nov november",
            "dec december dis",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))

# One expression finds every written form; the parser below decides what the groups mean. Digits may not touch
# further digits on either side, so that part of a telephone number is not taken for a date; but for a year of four
# figures behind separators, to which scanners glue the time (12/03/201810:22).
DATE_PATTERN = regex.compile(
    rf"""(?<![\d.,/-])(?:
        (?P<y1>(?:19|20)\d\d)\s?(?P<s1>[-/.])\s?(?P<m1>\d\d?)\s?(?P=s1)\s?(?P<d1>\d\d?)(?!\d)
      | (?P<a2>\d\d?)\s?(?P<s2>[-/.])\s?(?P<b2>\d\d?)\s?(?P=s2)\s?(?P<y2>(?:19|20)\d\d|\d\d(?!\d))
      | (?P<d3>\d\d?)(?:st|nd|rd|th)?[\s\-/.,']{{0,2}}(?P<m3>{_MONTH})(?![^\W\d_])
        [\s\-/.,']{{0,3}}(?P<y3>(?:19|20)\d\d|\d\d(?!\d))
      | (?<![^\W\d_])(?P<m4>{_MONTH})[\s.]{{0,2}}(?P<d4>\d\d?)(?:st|nd|rd|th)?(?!\d)
        [\s,'/-]{{1,3}}(?P<y4>(?:19|20)\d\d|\d\d(?!\d))
      | (?P<y5>20[0-3]\d)(?P<m5>0[1-9]|1[0-2])(?P<d5>0[1-9]|[12]\d|3[01])(?!\d)
      | (?P<d6>0[1-9]|[12]\d|3[01])(?P<m6>0[1-9]|1[0-2])(?P<y6>20[0-3]\d)(?!\d)
    )""",
    regex.IGNORECASE | regex.VERBOSE,
)


# Further written forms, whose year has four figures or is in words: 26th June of 2020, the fifth day of March, 2015,
# May the eleventh, 2016, 2019-Sep-1.
_ORDINALS = {
    name: number
    for number, name in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
            "twenty-first",
            "twenty-second",
            "twenty-third",
            "twenty-fourth",
            "twenty-fifth",
            "twenty-sixth",
            "twenty-seventh",
            "twenty-eighth",
            "twenty-ninth",
            "thirtieth",
            "thirty-first",
        ],
        start=1,
    )
}
_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True)).replace("-", r"[\s-]")
_DAY = rf"(?:(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?(?![\w])|(?:{_ORDINAL})\b)"
_YEAR = (
    rf"(?:(?:1[5-9]|2[01])\d\d(?!\d)|two\sthousand(?:\s(?:and\s)?{SMALL_SOURCE})?"
    rf"|(?:nineteen|twenty)[\s-]{SMALL_SOURCE})"
)
_PARTED = r"[\s,./-]{1,3}(?:(?:of|in)\s(?:the\s(?:year|calendar\syear)\s)?)?"
#: Dates that :data:`DATE_PATTERN` does not find; group-free.
WRITTEN_DATE_SOURCE = (
    rf"(?<![\w.,/]|(?<!day)-)(?:{_DAY}[\s-]{{1,2}}(?:day\s)?(?:of\s)?(?:{_MONTH})\b{_PARTED}{_YEAR}"
    rf"|(?:{_MONTH})\b[\s.,/-]{{1,2}}(?:the\s)?{_DAY}{_PARTED}{_YEAR}"
    rf"|(?:1[5-9]|2[01])\d\d(?:[/.-]|,?\s)(?:{_MONTH})(?:[/.-]|\.?,?\s)(?:the\s)?{_DAY}(?![/.-]?\d)"
    # What the days of other centuries look like in their canonical form.
    r"|(?:1[5-8]|21)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\w-]))"
)
_WEEKDAY = (
    r"(?:\b(?=[fmstw])(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\b(?:[.,]?\s{1,2}(?:the\s)?|-))?"
)
_NUMBERED = r"(?<![\w.,/:-])\d{1,2}(?:st|nd|rd|th)?"
_DAY_OF_MONTH = rf"{_NUMBERED}(?:[\s-]{{1,2}}(?:of\s)?(?:{_MONTH})\b\.?)?"
# 1-3 March 2018, 1 March to 3 April 2018, 1/3/2018 - 5/3/2018: what stands in front of a range's end, behind its start.
_RANGE_END = rf"(?<!(?:{_DAY_OF_MONTH}|[\s,/.-](?:19|20)?\d\d)\s?{DASH}\s?|{_DAY_OF_MONTH}{WORD_SOURCE})"
_RANGE_START = rf"(?!\s?{DASH}\s?(?:\d{{1,4}}[/.-]\d|\d{{1,2}}(?:st|nd|rd|th)?\s(?:{_MONTH})\b|(?:{_MONTH})\b))"
_YEAR_FOLLOWS = regex.compile(rf"(?<=\D\d\d)(?:,\s?|\s(?:{_MONTH})\b\.?,?\s)(?:19|20)\d\d(?!\d)", regex.IGNORECASE)
_ISO = regex.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What a date begins with: most places in a text are left after one character.
_FIRST = r"(?=[\dadefjmnostw])"
#: Every form of a date, with the day of the week in front of it. Not the half of a range.
FULL_DATE_SOURCE = (
    rf"{_FIRST}{_WEEKDAY}(?=\d|(?<![^\W_])[a-z]){_RANGE_END}"
    f"(?:(?x:{DATE_PATTERN.pattern}\n)|{WRITTEN_DATE_SOURCE}){_RANGE_START}"
)


@functools.cache
def _written() -> regex.Pattern[str]:
    return regex.compile(WRITTEN_DATE_SOURCE, regex.IGNORECASE)


@functools.cache
def _parts() -> regex.Pattern[str]:
    return regex.compile(
        rf"(?P<month>(?<![^\W\d_])(?:{_MONTH})(?![^\W\d_]))|(?P<year>{_YEAR})|(?P<day>{_DAY}|\d\d?)", regex.IGNORECASE
    )


@functools.cache
def _joint() -> regex.Pattern[str]:
    return regex.compile(rf"{JOINT_SOURCE}{_WEEKDAY}", regex.IGNORECASE)


@functools.cache
def _part() -> regex.Pattern[str]:
    """A day and a month without the year."""
    return regex.compile(
        rf"(?:{_DAY}[\s-]{{1,2}}(?:of\s)?(?:{_MONTH})\b|(?:{_MONTH})\b[\s.]{{1,2}}(?:the\s)?{_DAY})", regex.IGNORECASE
    )


@functools.cache
def _before() -> regex.Pattern[str]:
    """The first end of a range, or the first of two days, as far as the date behind it."""
    days = rf"{_NUMBERED}|(?<!\w)(?:{_ORDINAL})\b"
    return regex.compile(
        rf"(?:(?:{days})(?:[\s-]{{1,2}}(?:of\s)?(?:{_MONTH})\b\.?)?|(?:{_MONTH})\b[\s.]{{1,2}}(?:the\s)?{_DAY})"
        rf"{JOINT_SOURCE}{_WEEKDAY}\Z",
        regex.IGNORECASE,
    )


@functools.cache
def _day_before() -> regex.Pattern[str]:
    """Another day in front of one, behind a comma: 28, 29 March 2018."""
    return regex.compile(rf"{_NUMBERED}(?:[\s-]{{1,2}}(?:{_MONTH})\b\.?)?,\s?\Z", regex.IGNORECASE)


def _named(text: str, span: tuple[int, int]) -> bool:
    """Whether a date begins with the number of its day and has its month in letters."""
    return text[span[0]].isdecimal() and any(char.isalpha() for char in text[slice(*span)])


def _month_number(name: str) -> int:
    # Matching without regard to case lets a dotted capital I stand for i, which folds to i and a combining dot.
    return _MONTHS["".join(char for char in name.casefold() if char.isascii())]


#: How far in front of a date the first end of its range can begin.
_REACH = 60


def parse_date(text: str, *, day_first: bool = True) -> datetime.date | None:
    """The first date in ``text``; ``None`` where it is one end of a range, or one of two to choose from.

    Two numbers that could be day or month are read by ``day_first``; where only one order gives a real
    date, that one is taken. Two-digit years are 1970 to 2069. A text of more than 200 characters is no date.
    """
    if len(text) > LONGEST:
        return None
    found = _first_date(text, day_first)
    if found is None:
        return None
    (start, end), date = found
    # January 1 - 03, 2018: what looked like a year of two digits is the last day.
    if date is None or (_named(text, found[0]) and _day_before().search(text, max(0, start - _REACH), start)):
        return None
    if _YEAR_FOLLOWS.match(text, end) or _before().search(text, max(0, start - _REACH), start):
        return None
    joint = _joint().match(text, end)
    if joint is None:
        return date
    rest = text[joint.end() :]
    other = _first_date(rest, day_first)
    if other is not None and other[0][0] == 0:
        return date if other[1] == date else None
    return None if _part().match(rest) else date


def _first_date(text: str, day_first: bool) -> tuple[tuple[int, int], datetime.date | None] | None:
    match = DATE_PATTERN.search(text)
    if match:
        return match.span(), date_of_match(match, day_first=day_first)
    written = _written().search(text)
    return (written.span(), _date_of_words(written[0])) if written else None


def _date_of_words(text: str) -> datetime.date | None:
    if _ISO.fullmatch(text):
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            return None
    found = {match.lastgroup or "": match[0] for match in _parts().finditer(text)}
    year, day = found["year"], found["day"].casefold().replace(" ", "-")
    try:
        return datetime.date(
            int(year) if year.isdecimal() else _year_of_words(year),
            _month_number(found["month"]),
            _ORDINALS[day] if day in _ORDINALS else int(day.rstrip("stndrh")),
        )
    except ValueError:
        return None


def _year_of_words(year: str) -> int:
    """*Two thousand and sixteen*, *nineteen ninety-nine*."""
    century, _, rest = year.casefold().replace("-", " ").partition(" ")
    if century != "two":
        return {"nineteen": 1900, "twenty": 2000}[century] + int(read_words(rest) or 0)
    return int(read_words(year) or 0)


def date_of_match(match: regex.Match[str], *, day_first: bool = True) -> datetime.date | None:
    """The date a match of :data:`DATE_PATTERN` stands for, or ``None`` when there is no such day."""
    group = match.groupdict()
    if group["y1"]:
        orders = [(group["y1"], group["m1"], group["d1"])]
    elif group["y2"]:
        first, second = group["a2"], group["b2"]
        orders = [(group["y2"], second, first), (group["y2"], first, second)]
        if not day_first:
            orders.reverse()
    elif group["y3"]:
        orders = [(group["y3"], str(_month_number(group["m3"])), group["d3"])]
    elif group["y4"]:
        orders = [(group["y4"], str(_month_number(group["m4"])), group["d4"])]
    elif group["y5"]:
        orders = [(group["y5"], group["m5"], group["d5"])]
    else:
        orders = [(group["y6"], group["m6"], group["d6"])]
    for year, month, day in orders:
        number = int(year)
        if len(year) == 2:
            number += 2000 if number < 70 else 1900
        try:
            return datetime.date(number, int(month), int(day))
        except ValueError:
            continue
    return None
