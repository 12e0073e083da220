"""Numbers in figures (grouping, decimals, powers, fractions, multipliers such as ``13 lakh``) and in words."""

from __future__ import annotations

import functools
import unicodedata
from decimal import Decimal
from fractions import Fraction

import regex

from gateway.values.sources import either
from gateway.values.types import DecimalMark
from gateway.values.word_values import add_rest, read_words
from gateway.values.words import AFTER_SCALE_SOURCE, SCALES, WORDS_SOURCE

_SPACE = " \u00a0\u202f"
#: Digits with their grouping and decimals, whichever marks they use.
FIGURES_SOURCE = (
    r"(?:\d{1,3}(?:(?:(?:,\d{3}){1,9}+|(?:,\d{2}){1,6}(?:,\d{3}))(?!,?\d)(?:\.\d++)?+|(?:\.\d{3}){2,9}+(?:,\d++)?+|\.\d{3},\d++"
    rf"|(?:[{_SPACE}]\d{{3}}){{1,9}}+(?:[.,]\d++)?+)(?!\d)|\d++(?:[.,]\d++)?+|\.\d++)"
)
_LETTERS = {"k": 10**3, "m": 10**6, "mm": 10**6, "mil": 10**6, "mln": 10**6, "mn": 10**6}
_LETTERS |= {"b": 10**9, "bn": 10**9, "bln": 10**9, "tn": 10**12, "tln": 10**12}
_MULTIPLIERS = _LETTERS | SCALES
_WORD_MULTIPLIER = rf"(?:\s{{1,3}}|-)?(?<!\w\w){either(SCALES)}(?!\w)"
# Lower-case letters behind a space are units far more often (5 m); G and T are grams, gigabytes and tax codes.
MULTIPLIER_SOURCE = (
    r"(?:(?:(?-i:k|m|b|[KMB]|MM)|mil|mln|mn|bl?n|tl?n)(?!\w)"
    rf"|\s{{1,2}}(?:(?-i:k|[KMB]|MM)|mln|mn|bl?n|tl?n)(?!\w)|{_WORD_MULTIPLIER})"
)
_GLYPHS = "".join(char for char in map(chr, range(0xBC, 0x2190)) if unicodedata.decomposition(char).startswith("<frac"))
_FRACTION = rf"(?:(?:\d{{1,6}}\s)?\d{{1,3}}/[1-9]\d{{0,2}}(?![/\d])|\d{{0,6}}[{_GLYPHS}])"
_IN_FIGURES = rf"(?=[\d.{_GLYPHS}])(?<![\w.,]|[^\W\d]-|\d[:/])"


def _unsigned(multiplier: str) -> str:
    return (
        rf"(?:{_IN_FIGURES}(?:{_FRACTION}|{FIGURES_SOURCE}(?:(?:{multiplier}){{1,3}}+(?:{AFTER_SCALE_SOURCE})?)?)"
        rf"|(?<!-){WORDS_SOURCE})"
    )


#: A sign touches its number, or has nothing of a sum in front of it: 5 - 7.
SIGN_SOURCE = r"(?:(?<![\w)+\u2212-])[-+\u2212]|(?<![\w)+\u2212-]\s?)[-+\u2212]\s)"
#: A number without its sign; for patterns that put a unit behind it.
UNSIGNED_SOURCE = _unsigned(MULTIPLIER_SOURCE)
#: The same without multipliers of a letter, which units of measure have too (5m, 5k).
MEASURED_SOURCE = _unsigned(_WORD_MULTIPLIER)
# "This one" is no number.
_PRONOUN = r"(?<!\b(?:this|that|the|no|each|any|every|which|another|only|first|next|last|other)\s{1,3}one)"
NUMBER_SOURCE = (
    rf"(?:(?=[\d.+\u2212{_GLYPHS}-])(?<![\w.,]|[^\W\d]-|\d[:/]){SIGN_SOURCE}?(?:{_FRACTION}"
    rf"|{FIGURES_SOURCE}(?:(?:e|\^)[-+]?\d{{1,3}}|{MULTIPLIER_SOURCE}{{1,3}}+(?:{AFTER_SCALE_SOURCE})?)?)(?![\w\^]|[.,:/]\d)"
    rf"|\b(?<!-)(?=[aefhmnoqstz])(?:(?:minus|negative)\s{{1,3}})?(?:{WORDS_SOURCE}{_PRONOUN}|half(?![\w-]|\s(?:past|to)\b)))"
)
_FIRST = regex.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|(?<!\w)\.\d+)")
_WHOLE_SOURCE = rf"""(?P<sign>[-+\u2212]\s?|(?:minus|negative)\s{{1,3}})?(?:
        (?:(?P<whole>\d{{1,6}})\s)?(?P<above>\d{{1,3}})/(?P<below>[1-9]\d{{0,2}})
        |(?P<before>\d{{0,6}})(?P<glyph>[{_GLYPHS}])
        |(?P<figures>{FIGURES_SOURCE})(?:e(?P<exponent>[-+]?\d{{1,3}})|\^(?P<power>[-+]?\d{{1,3}})
            |(?P<scales>{MULTIPLIER_SOURCE}{{1,3}}+)(?P<part>{AFTER_SCALE_SOURCE})?)?
        |(?P<words>{WORDS_SOURCE}|half))"""
_SCALE_NAME = regex.compile(r"[^\W\d_]+")
#: A number that repeats (one third) is cut to so many significant digits, and no power may be larger.
_SIGNIFICANT, _LARGEST_POWER = 15, 300


@functools.cache
def _whole() -> regex.Pattern[str]:
    return regex.compile(_WHOLE_SOURCE, regex.IGNORECASE | regex.VERBOSE)


def read_figures(figures: str, decimal: DecimalMark = ".") -> Decimal:
    """The value of :data:`FIGURES_SOURCE`.

    A mark that stands once, with other than three digits behind it, is the decimal mark; so is the later of two
    different ones. ``decimal`` settles the rest: ``1.234`` or ``1,234``.
    """
    digits = "".join(char for char in figures if char not in _SPACE)
    mark = max(digits.rfind("."), digits.rfind(","))
    if mark >= 0:
        sign = digits[mark]
        other = "," if sign == "." else "."
        single = digits.count(sign) == 1 and (
            other in digits or sign == decimal or len(digits) - mark - 1 != 3 or not 1 <= mark <= 3
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
    elif group["glyph"]:
        value = int(group["before"] or 0) + Fraction(unicodedata.numeric(group["glyph"])).limit_denominator(1000)
    elif group["figures"]:
        value = _scaled(Fraction(read_figures(group["figures"], decimal)), group)
    elif group["words"].casefold() == "half":
        value = Fraction(1, 2)
    else:
        value = read_words(group["words"])
    negative = (group["sign"] or "+")[0] != "+"
    return None if value is None else -value if negative else value


def _scaled(value: Fraction, group: dict[str, str | None]) -> Fraction | None:
    if group["exponent"]:
        exponent = int(group["exponent"])
        return value * Fraction(10) ** exponent if abs(exponent) <= _LARGEST_POWER else None
    if group["power"]:
        power = int(group["power"])
        # A power of a long number would take more digits than anybody can use.
        if abs(power) > _LARGEST_POWER or value == 0 or value.numerator.bit_length() * abs(power) > 4000:
            return None
        return value**power
    scale = 1
    for name in _SCALE_NAME.findall(group["scales"] or ""):
        scale *= _MULTIPLIERS[name.casefold()]
    value *= scale
    return add_rest(value, scale, group["part"]) if group["part"] else value


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


def _leading_zeros(value: Fraction) -> int:
    """How many zeros stand between the decimal point and the first digit of a value below 1."""
    zeros = 0
    while value < Fraction(1, 10):
        value, zeros = value * 10, zeros + 1
    return zeros


def parse_number(text: str, decimal: DecimalMark = ".") -> str | None:
    """The number that ``text`` is, else the first number in figures that stands in it, in plain decimals."""
    value = read_number(text, decimal)
    if value is None:
        match = _FIRST.search(text)
        if not match:
            return None
        value = Fraction(Decimal(match[0].replace(",", "")))
    written = format_number(value)
    # Under a decimal comma "1.234" would read as a thousand and more; a fourth decimal says what the mark is.
    return f"{written}0" if decimal == "," and written[-4:-3] == "." else written
