"""Dates: their written forms, and the day each stands for."""

from __future__ import annotations

import datetime
import functools

import regex

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
# further digits on either side, so that part of a telephone number is not taken for a date.
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
_YEAR = rf"(?:(?:19|20)\d\d(?!\d)|two\sthousand(?:\s(?:and\s)?{SMALL_SOURCE})?|(?:nineteen|twenty)[\s-]{SMALL_SOURCE})"
_PARTED = r"[\s,.]{1,3}(?:(?:of|in)\s(?:the\s(?:year|calendar\syear)\s)?)?"
#: Dates that :data:`DATE_PATTERN` does not find; group-free.
WRITTEN_DATE_SOURCE = (
    rf"(?<![\w.,/-])(?:{_DAY}[\s-]{{1,2}}(?:day\s)?(?:of\s)?(?:{_MONTH})\b{_PARTED}{_YEAR}"
    rf"|(?:{_MONTH})\b[\s.]{{1,2}}(?:the\s)?{_DAY}{_PARTED}{_YEAR}"
    rf"|(?:19|20)\d\d[\s/.-](?:{_MONTH})[\s/.-]\d\d?(?!\w))"
)
_WEEKDAY = r"(?:\b(?=[fmstw])(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\b[.,]?\s{1,2}(?:the\s)?)?"
#: Every form of a date, with the day of the week in front of it.
FULL_DATE_SOURCE = f"{_WEEKDAY}(?:(?x:{DATE_PATTERN.pattern}\n)|{WRITTEN_DATE_SOURCE})"


@functools.cache
def _written() -> regex.Pattern[str]:
    return regex.compile(WRITTEN_DATE_SOURCE, regex.IGNORECASE)


@functools.cache
def _parts() -> regex.Pattern[str]:
    return regex.compile(
        rf"(?P<month>(?<![^\W\d_])(?:{_MONTH})(?![^\W\d_]))|(?P<year>{_YEAR})|(?P<day>{_DAY}|\d\d?)", regex.IGNORECASE
    )


def _month_number(name: str) -> int:
    # Matching without regard to case lets a dotted capital I stand for i, which folds to i and a combining dot.
    return _MONTHS["".join(char for char in name.casefold() if char.isascii())]


def parse_date(text: str, *, day_first: bool = True) -> datetime.date | None:
    """The first date in ``text``.

    Two numbers that could be day or month are read by ``day_first``; where only one order gives a real
    date, that one is taken. Two-digit years are 1970 to 2069.
    """
    match = DATE_PATTERN.search(text)
    if match:
        return date_of_match(match, day_first=day_first)
    written = _written().search(text)
    return _date_of_words(written[0]) if written else None


def _date_of_words(text: str) -> datetime.date | None:
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
