"""The values of numbers in words (:mod:`gateway.values.words`)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import regex

from gateway.values.words import DENOMINATORS, SCALES, SMALL_ORDINALS, TEENS, TENS, UNITS

_SIMPLE = UNITS | TEENS | TENS
_WORD = regex.compile(r"[a-z]+|\d+")


def read_words(text: str) -> Fraction | None:
    """The value of a number in words, or ``None`` where the words make no number."""
    words = _WORD.findall(text.casefold())
    for ratio in ("over", "out"):
        if ratio in words:
            at = words.index(ratio)
            above, below = _cardinal(words[:at]), _cardinal(words[at + (2 if ratio == "out" else 1) :])
            return Fraction(above, below) if above is not None and below else None
    if "point" in words:
        at = words.index("point")
        end = next((index for index in range(at, len(words)) if words[index] in SCALES), len(words))
        whole, decimals, scale = _cardinal(words[:at]), _decimals(words[at + 1 : end]), _product(words[end:])
        return None if whole is None or decimals is None or scale is None else (whole + decimals) * scale
    return _mixed(words)


def _mixed(words: Sequence[str]) -> Fraction | None:
    """A cardinal, a fraction, or one *and* the other."""
    if words and words[0] in ("half", "quarter"):
        scale = _product(words[1:])
        return None if scale is None else Fraction(scale, 2 if words[0] == "half" else 4)
    at = next((index for index, word in enumerate(words) if word in DENOMINATORS), None)
    if at is None:
        whole = _cardinal(words)
        return None if whole is None else Fraction(whole)
    scale = _product(words[at + 1 :])
    if scale is None:
        return None
    # In "one hundred and thirty-two fifths" the "and" belongs to the numerator, elsewhere it parts whole and fraction.
    joints = [i for i in range(1, at) if words[i] == "and" and words[i - 1] not in ("hundred", "hundreds")]
    split = joints[-1] if joints else None
    if split is None and "and" in words[:at] and words[at - 1] in ("a", "an", "one"):
        split = at - 1 - words[:at][::-1].index("and")
    part = _fraction(words[0 if split is None else split + 1 : at + 1])
    if part is None:
        return None
    part *= scale
    if split is None:
        return part
    whole = _cardinal(words[:split])
    if whole is None:
        return None
    # "Two million and a half" is two and a half million.
    last = SCALES.get(words[split - 1], 1) if len(words) == at + 1 else 1
    return whole + part * (last if last >= 1000 else 1)


def add_rest(whole: Fraction, scale: int, text: str) -> Fraction | None:
    """``3 million`` and ``and a half`` or ``and 21``: a fraction is of the scale unless it names its own."""
    words = _WORD.findall(text.casefold())
    at = next((index for index, word in enumerate(words) if word in DENOMINATORS), None)
    if at is None:
        more = _cardinal(words)
        return None if more is None else whole + more
    part, own = _fraction(words[words[0] == "and" : at + 1]), _product(words[at + 1 :])
    if part is None or own is None:
        return None
    return whole + part * (own if len(words) > at + 1 else scale)


def _fraction(words: Sequence[str]) -> Fraction | None:
    """Numerator and denominator: *a half*, *three twenty-firsts*, *one hundred thirty-fifths* (a hundred of them)."""
    *above, part = words
    denominator = DENOMINATORS[part]
    if part.removesuffix("s") in SMALL_ORDINALS and len(above) > 1 and above[-1] in TENS:
        denominator += TENS[above.pop()]
    elif denominator <= 2 and part.removesuffix("s") in SMALL_ORDINALS:
        return None
    numerator = 1 if above in ([], ["a"], ["an"]) else _cardinal(above)
    return None if numerator is None else Fraction(numerator, denominator)


def _cardinal(words: Sequence[str]) -> int | None:
    """The value of cardinal words; ``None`` for none, or for a word that is no number."""
    if not words:
        return None
    total = hundreds = small = 0
    for word in words:
        if word in ("and", "a", "an"):
            continue
        value = int(word) if word.isdecimal() else _SIMPLE.get(word)
        if value is not None:
            small += value
        elif SCALES.get(word) == 12:
            small = (small or 1) * 12
        elif word.startswith("hundred"):
            hundreds, small = (small or 1) * 100, 0
        elif word in SCALES:
            scale, below = SCALES[word], hundreds + small
            # A larger scale multiplies all that stands before it: two hundred thousand million.
            total = (total + below) * scale if 0 < total < scale else total + (below or 1) * scale
            hundreds = small = 0
        else:
            return None
    return total + hundreds + small


def _decimals(words: Sequence[str]) -> Fraction | None:
    """*zero three* is .03, *seventy-one* .71."""
    digits = ""
    index = 0
    while index < len(words):
        word = words[index]
        if word in TENS and index + 1 < len(words) and UNITS.get(words[index + 1], 0) > 0:
            digits += str(TENS[word] + UNITS[words[index + 1]])
            index += 1
        else:
            value = _SIMPLE.get(word)
            if value is None:
                return None
            digits += str(value)
        index += 1
    return Fraction(int(digits), 10 ** len(digits)) if digits else None


def _product(words: Sequence[str]) -> int | None:
    scale = 1
    for word in words:
        if word not in ("a", "an"):
            if word not in SCALES:
                return None
            scale *= SCALES[word]
    return scale
