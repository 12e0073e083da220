"""Numbers in figures (grouping, decimals, powers, fractions, multipliers such as ``13 lakh``) and in words."""

from __future__ import annotations

import functools
import unicodedata
from decimal import Decimal
from fractions import Fraction

import regex

from gateway.values.leftovers import UNREAD_SCALE_SOURCE, contradicted, leaves_numbers
from gateway.values.sources import either
from gateway.values.types import LONGEST, DecimalMark
from gateway.values.word_values import add_rest, read_words
from gateway.values.words import AFTER_SCALE_SOURCE, DENOMINATORS, PARTS_SOURCE, SCALES, SMALL_ORDINALS, WORDS_SOURCE

_SPACE = " \u00a0\u2007\u2009\u202f"
_APART = _SPACE + "'\u2019"
#: Digits with their grouping and decimals, whichever marks they use.
FIGURES_SOURCE = (
    r"(?:\d{1,3}(?:(?:(?:,\d{3}){1,9}+|(?:,\d{2}){1,6}(?:,\d{3}))(?!,?\d)(?:\.\d++)?+|(?:\.\d{3}){2,9}+(?:,\d++)?+|\.\d{3},\d++"
    rf"|(?:[{_SPACE}]\d{{3}}){{1,9}}+(?:[.,]\d++)?+|(?:['\u2019]\d{{3}}){{1,9}}+(?:[.,]\d++)?+)(?!\d)"
    r"|\d++(?:[.,]\d++)?+|\.\d++)"
)
_LETTERS = {"k": 10**3, "m": 10**6, "mm": 10**6, "mil": 10**6, "mln": 10**6, "mn": 10**6}
_LETTERS |= {"b": 10**9, "bn": 10**9, "bln": 10**9, "tn": 10**12, "tln": 10**12, "trn": 10**12, "trln": 10**12}
_LETTERS |= {"mio": 10**6, "mrd": 10**9}
_MULTIPLIERS = _LETTERS | SCALES
_WORD_MULTIPLIER = rf"(?:\s{{1,3}}|-)?(?<!\w\w){either(SCALES)}(?!\w)"
# Lower-case letters behind a space are units far more often (5 m); G and T are grams, gigabytes and tax codes.
MULTIPLIER_SOURCE = (
    r"(?:(?:(?-i:k|m|b|[KMB]|MM)|mil|mln|mn|mio|mrd|bl?n|tr?l?n)(?!\w)"
    rf"|\s{{1,2}}(?:(?-i:k|[KMB]|MM)|mln|mn|mio|mrd|bl?n|tr?l?n)(?!\w)|{_WORD_MULTIPLIER})"
)
_GLYPHS = "".join(char for char in map(chr, range(0xBC, 0x2190)) if unicodedata.decomposition(char).startswith("<frac"))
# 3/4, 2 1/2, 1-1/2, 4 fifths, 1 out of 5; some texts part every mark from its neighbours: 7 3 / 4.
FRACTION_SOURCE = (
    rf"(?:(?:\d{{1,6}}\s|\d{{1,3}}-)?\d{{1,3}}(?:/|\s/\s)[1-9]\d{{0,2}}(?!\s?/|\d)|\d{{0,6}}[{_GLYPHS}]"
    rf"|\d{{1,6}}(?:\s{{1,3}}(?:(?=[hmtfsenq]){PARTS_SOURCE}|out\s{{1,3}}of\s{{1,3}}[1-9]\d{{0,5}}(?![.,]?\d))))"
)
_IN_FIGURES = rf"(?=[\d.{_GLYPHS}])(?<![\w.,]|[^\W\d]-|\d[:/]|\d\s/\s)"
_HALF = r"half(?:\s{1,3}an?(?!\w))?(?![\w-]|\s(?:past|to)\b)"


def _unsigned(multiplier: str) -> str:
    return (
        rf"(?:{_IN_FIGURES}(?:{FRACTION_SOURCE}|{FIGURES_SOURCE}(?:(?:{multiplier}){{1,3}}+(?:{AFTER_SCALE_SOURCE})?)?)"
        rf"|(?<!-)(?:{WORDS_SOURCE}|\b{_HALF}))"
    )


#: A sign touches its number, or has nothing of a sum in front of it: 5 - 7.
SIGN_SOURCE = r"(?:(?<![\w)+\u2212\u2013-])[-+\u2212\u2013]|(?<![\w)+\u2212-]\s?)[-+\u2212]\s)"
#: A number without its sign; for patterns that put a unit behind it.
UNSIGNED_SOURCE = _unsigned(MULTIPLIER_SOURCE)
#: The same without multipliers of a letter, which units of measure have too (5m, 5k).
MEASURED_SOURCE = _unsigned(_WORD_MULTIPLIER)
# "This one" is no number, nor is what an ordinal begins with (twenty-first).
_NO_NUMBER = (
    r"(?<!\b(?:this|that|the|no|each|any|every|which|another|only|first|next|last|other)\s{1,3}one)"
    rf"(?!(?<=ty)[\s-]{either(SMALL_ORDINALS)}(?!\w))"
)
# 2.5 x 10^-3, 2.5 × 10⁶
_RAISED = "\u2070\u00b9\u00b2\u00b3\u2074-\u2079"
_RAISED_POWER = rf"[\u207b\u207a]?[{_RAISED}]{{1,3}}"
_TEN_TO = rf"\s?[x\u00d7]\s?10(?:\^[-+\u2212]?\d{{1,3}}|[\u207b\u207a]?[{_RAISED}]{{1,3}})"
_FIGURES = (
    rf"(?:{FRACTION_SOURCE}|{FIGURES_SOURCE}(?:(?:e|\^)[-+\u2212]?\d{{1,3}}|{_TEN_TO}|{_RAISED_POWER}|{MULTIPLIER_SOURCE}{{1,3}}+(?:{AFTER_SCALE_SOURCE})?)?)"
    rf"(?![\w\^{_RAISED}]|[.,:/]\d)"
)
#: A sign in words; between two numbers it is no sign: 10 minus 5.
SIGN_WORD_SOURCE = r"(?:minus|negative)(?<!\d\s{0,3}\w{5,8})\s{1,3}"
NUMBER_SOURCE = (
    rf"(?:(?:(?=[\d.+\u2212\u2013{_GLYPHS}-])(?<![\w.,\^]|[^\W\d]-|\d[:/]|\d\s/\s){SIGN_SOURCE}?|\b{SIGN_WORD_SOURCE}(?=[\d.])){_FIGURES}"
    rf"|\b(?<!-)(?=[aefhmnoqstz])(?:(?:minus|negative)\s{{1,3}})?(?:{WORDS_SOURCE}{_NO_NUMBER}|half(?![\w-]|\s(?:past|to)\b)))"
)
# Figures among words; what is multiplied is read in whole or not at all.
_ONLY_SOURCE = (
    rf"(?P<sign>(?<!\w)[-+\u2212\u2013])?(?:(?=\d)|(?<!\w)(?=\.))(?P<figures>{FIGURES_SOURCE})"
    rf"(?![{_GLYPHS}]|{MULTIPLIER_SOURCE}|{UNREAD_SCALE_SOURCE}|\s{{0,3}}(?:grand|gross|score)(?!\w))"
)
_WHOLE_SOURCE = rf"""(?P<sign>[-+\u2212\u2013]\s?|(?:minus|negative)\s{{1,3}})?(?:
        (?:(?P<whole>\d{{1,6}})[\s-])?(?P<above>\d{{1,3}})\s?/\s?(?P<below>[1-9]\d{{0,2}})
        |(?P<count>\d{{1,6}})\s{{1,3}}(?:(?P<parts>{PARTS_SOURCE})|out\s{{1,3}}of\s{{1,3}}(?P<among>[1-9]\d{{0,5}}))
        |(?P<before>\d{{0,6}})(?P<glyph>[{_GLYPHS}])
        |(?P<figures>{FIGURES_SOURCE})(?:e(?P<exponent>[-+\u2212]?\d{{1,3}})|\^(?P<power>[-+\u2212]?\d{{1,3}})|(?P<power>{_RAISED_POWER})
            |\s?[x\u00d7]\s?10(?:\^(?P<exponent>[-+\u2212]?\d{{1,3}})|(?P<exponent>[\u207b\u207a]?[{_RAISED}]{{1,3}}))
            |(?P<scales>{MULTIPLIER_SOURCE}{{1,3}}+)(?P<part>{AFTER_SCALE_SOURCE})?)?
        |(?P<words>{WORDS_SOURCE}|half(?:\s{{1,3}}an?)?))"""
_SCALE_NAME = regex.compile(r"[^\W\d_]+")
#: A number that repeats (one third) is cut to so many significant digits, and no power may be larger.
_SIGNIFICANT, _LARGEST_POWER = 15, 300


@functools.cache
def _whole() -> regex.Pattern[str]:
    return regex.compile(_WHOLE_SOURCE, regex.IGNORECASE | regex.VERBOSE)


@functools.cache
def _only() -> regex.Pattern[str]:
    return regex.compile(_ONLY_SOURCE, regex.IGNORECASE)


def read_figures(figures: str, decimal: DecimalMark = ".") -> Decimal:
    """The value of :data:`FIGURES_SOURCE`.

    A mark that stands once, with other than three digits behind it or nothing but a nought in front, is the decimal
    mark; so is the later of two different ones. ``decimal`` settles the rest: ``1.234`` or ``1,234``.
    """
    digits = "".join(char for char in figures if char not in _APART)
    mark = max(digits.rfind("."), digits.rfind(","))
    if mark >= 0:
        sign = digits[mark]
        other = "," if sign == "." else "."
        single = digits.count(sign) == 1 and (
            other in digits
            or sign == decimal
            or len(digits) - mark - 1 != 3
            or not 1 <= mark <= 3
            or int(digits[0]) == 0
        )
        digits = digits.replace(other, "")
        digits = digits.replace(sign, ".") if single else digits.replace(sign, "")
    return Decimal(digits)


def read_number(text: str, decimal: DecimalMark = ".") -> Fraction | None:
    """The number that ``text`` as a whole is, or ``None``."""
    match = _whole().fullmatch(text.strip())
    if match is None:
        return None
    group = match.groupdict()
    value: Fraction | None
    if group["above"]:
        value = int(group["whole"] or 0) + Fraction(int(group["above"]), int(group["below"]))
    elif group["count"]:
        value = Fraction(int(group["count"]), int(group["among"] or DENOMINATORS[(group["parts"] or "").casefold()]))
    elif group["glyph"]:
        value = int(group["before"] or 0) + Fraction(unicodedata.numeric(group["glyph"])).limit_denominator(1000)
    elif group["figures"]:
        value = _scaled(Fraction(read_figures(group["figures"], decimal)), group)
    else:
        value = read_words(group["words"])
    negative = (group["sign"] or "+")[0] != "+"
    return None if value is None else -value if negative else value


def _scaled(value: Fraction, group: dict[str, str | None]) -> Fraction | None:
    if group["exponent"]:
        exponent = _exponent(group["exponent"])
        return value * Fraction(10) ** exponent if abs(exponent) <= _LARGEST_POWER else None
    if group["power"]:
        power = _exponent(group["power"])
        # A power of a long number would take more digits than anybody can use.
        if abs(power) > _LARGEST_POWER or value == 0:
            return None
        if max(value.numerator, value.denominator).bit_length() * abs(power) > 4000:
            return None
        return value**power
    scale = 1
    for name in _SCALE_NAME.findall(group["scales"] or ""):
        scale *= _MULTIPLIERS[name.casefold()]
    value *= scale
    return add_rest(value, scale, group["part"]) if group["part"] else value


def _exponent(written: str) -> int:
    # Compatibility forms: raised digits are digits, and each minus is a hyphen.
    return int(unicodedata.normalize("NFKC", written).replace("\u2212", "-"))


def format_number(value: Fraction) -> str:
    """In plain decimals without trailing zeros; what has no end is cut to 15 significant digits."""
    below = value.denominator
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    if below == 1:
        twos, fives, rest = 0, 0, value.denominator
        while rest % 2 == 0:
            rest, twos = rest // 2, twos + 1
        while rest % 5 == 0:
            rest, fives = rest // 5, fives + 1
        places = max(twos, fives)
        digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
        written = f"{digits[: len(digits) - places]}.{digits[len(digits) - places :]}" if places else digits
        return f"-{written}" if value < 0 else written
    size = Fraction(abs(value))
    magnitude = len(str(int(size))) if size >= 1 else -_leading_zeros(size)
    places = max(0, _SIGNIFICANT - magnitude)
    return format_number(Fraction(round(value * 10**places), 10**places))


def write_number(value: Fraction, decimal: DecimalMark = ".") -> str:
    """As :func:`format_number`; what it reads as under ``decimal`` is the same number again."""
    written = format_number(value)
    # Under a decimal comma "1.234" would read as a thousand and more; a fourth decimal says what the mark is.
    return f"{written}0" if decimal == "," and written[-4:-3] == "." else written


def _leading_zeros(value: Fraction) -> int:
    """How many zeros stand between the decimal point and the first digit of a value below 1."""
    zeros = 0
    while value < Fraction(1, 10):
        value, zeros = value * 10, zeros + 1
    return zeros


def parse_number(text: str, decimal: DecimalMark = ".") -> str | None:
    """The number that ``text`` is, else the only one in figures that stands in it, in plain decimals.

    ``None`` where figures or number words are left over, which could belong to the number or to another one, and for a
    text of more than 200 characters.
    """
    if len(text) > LONGEST:
        return None
    value = read_number(text, decimal)
    if value is None:
        match = _only().search(text)
        if match is None or leaves_numbers(text, match.span()):
            return None
        value = Fraction(read_figures(match["figures"], decimal))
        if contradicted(text, value):
            return None
        if match["sign"] not in (None, "+"):
            value = -value
    return write_number(value, decimal)
