"""What a text says beside its only number: other figures, number words, multipliers that are not read.

*Five or 5 dollars* leaves open how many, and *5 zillion dollars* are not five.
"""

from __future__ import annotations

import functools
from fractions import Fraction

import regex

from gateway.values.word_values import read_words
from gateway.values.words import WORDS_SOURCE

#: Raised figures, glyphs of fractions and Roman numerals are figures too.
_FIGURE = regex.compile(r"[\d\p{No}\p{Nl}]")
#: Names of large numbers in any language that forms them so; those that are read stand in front of this.
UNREAD_SCALE_SOURCE = r"[\s-]{0,3}\p{L}{0,8}illi(?:on|ard)(?:s|en)?(?!\w)"
_OR = regex.compile(r"\bor\b", regex.IGNORECASE)
_NO_NUMBER = r"(?<!\b(?:this|that|the|no|each|any|every|which|another|only|first|next|last|other)\s{1,3}one)"


@functools.cache
def _words() -> regex.Pattern[str]:
    return regex.compile(rf"{WORDS_SOURCE}{_NO_NUMBER}", regex.IGNORECASE)


def leaves_numbers(text: str, span: tuple[int, int]) -> bool:
    """Whether figures stand outside ``span``."""
    return bool(_FIGURE.search(text, 0, span[0]) or _FIGURE.search(text, span[1]))


def contradicted(text: str, value: Fraction) -> bool:
    """Whether number words in ``text`` say anything but ``value`` (*five hundred dollars and ten cents ($500.10)*)."""
    said = [read_words(match[0]) for match in _words().finditer(text)]
    if not said:
        return False
    if _OR.search(text):
        return True
    return said != [value] and (
        len(said) != 2 or None in said or (said[0] or 0) + Fraction(said[1] or 0) / 100 != value
    )
