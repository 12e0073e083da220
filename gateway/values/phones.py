"""Telephone numbers: candidates by shape, validated by Google's libphonenumber (the ``phonenumbers`` package)."""

from __future__ import annotations

import regex

from gateway.values.dates import DATE_PATTERN, date_of_match

# Finding is cheap and knows shapes only; the library looks at what was found.
_PART = r"(?:[ \u00a0.\u2010-\u2013-]|[ ][\u2013-][ ]?|[\u2013-][ ])"
_GROUPS = rf"\d{{2,13}}+(?:{_PART}\d{{2,11}}+){{0,6}}+"
#: A number may not touch what makes it part of something else: a word, an amount, a sum, an article number, a path.
_APART = r"(?<![\w$\u20ac\u00a3%*#/@\\]|\d[.,:-]|(?<![a-z]{3}|[#)\]>])-|\+|\d[ ]|\d\)[ ]?\()"
_OTHER_NAMES = "account|acct|a/c|card|ssn|iban|invoice|order|serial|isbn|vat|zip|pages?|pp|tracking|imei|passport|vin"
_OTHER_NUMBER = rf"(?<!\b(?:{_OTHER_NAMES})\b[^\n\d]{{0,12}})"
_EXTENSION = r"(?:,?[ ]?(?:;ext=|x|ext(?:ension|n)?(?![a-z])\.?:?)[ ]?\d{1,7}+)"
PHONE_SOURCE = (
    rf"(?=[+(\d]){_OTHER_NUMBER}(?:"
    # +44 (0) 113 496 0009, (+45) 12-34-56-78, 0044 161 1234567
    rf"(?<![+(]|\d[ ]?)\(?(?:\+|(?<!\w|\d[.,:/-])00)[ ]?\d{{1,3}}+\)?(?:{_PART}?\(\d{{1,5}}\))?"
    rf"(?:(?:{_PART}|/[ ]?)?\d{{1,14}}+){{1,8}}+"
    # (541) 754-3010, 1 (877) 609-2233, 123) 456-7890
    rf"|{_APART}(?:(?:\d{{1,3}}{_PART}?)?\(\d{{1,5}}\)|\d{{3}}\)){_PART}?{_GROUPS}"
    # 541-754-3010, 030/1234567, 0176 123 456 78
    rf"|{_APART.replace('@', '')}(?:0\d{{1,4}}[ ]?/[ ]?|1{_PART})?{_GROUPS}"
    rf"){_EXTENSION}?(?![\w%]|[-/:.,*=\u2013]\d|[ ]?[%*=]|[ ][a-f]\d[ ]|[ ]\d[a-f][ ])"
)
_WRITTEN = regex.compile(rf"(?P<number>(?=[+(\d])\(?\+?[\d\s()./\u2010-\u2013-]*?)(?:{_EXTENSION})?", regex.IGNORECASE)
_LAST_DIGITS = regex.compile(r"\d{1,7}$")
_INTERNATIONAL = regex.compile(r"\(?(?:\+|00)\s?\d")
# Shapes of other things: card numbers, US social security numbers, amounts, IP addresses, and a local number that
# would begin with the digit that dials out.
_OTHER_SHAPE = regex.compile(
    r"\d{4}(?:[ -]\d{4}){2}[ -]\d{3,}|\d{4}[ -]\d{6}[ -]\d{5}|\d{3}-\d\d-\d{4}|\d+\.\d\d?|[1-9]\d*\.\d+"
    r"|\d{1,3}(?:\.\d{1,3}){3}|1\d\d[-. ]\d{4}|(?:19|20)\d\d\s?[-\u2013]\s?(?:19|20)?\d\d"
)
_HYPHENATED_EXTENSION = regex.compile(r"-(\d{3,5})$")
#: Digits of a national number without a known country; six only behind a trunk prefix. 15 is E.164's most.
_LEAST, _MOST = 7, 15


def parse_phone(text: str, region: str | None) -> str | None:
    """A telephone number as E.164 (``+441134960009``), an extension behind ``;ext=``.

    Without a ``region``, what is not written internationally keeps its national digits: nothing says whose they are.
    A number is taken when its country could have it, not only when it is known to be in use.
    """
    text = "".join(str(int(char)) if char.isdecimal() else char for char in text)
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        return None
    number = written["number"].strip()
    extension = _LAST_DIGITS.search(text.strip()) if len(number) < len(text.strip()) else None
    suffix = f";ext={_ascii_digits(extension[0])}" if extension else ""
    digits = _ascii_digits(number)
    least = _LEAST - 1 if digits.startswith("0") else _LEAST
    if not least <= len(digits) <= _MOST + 2 or _is_other(number):
        return None
    if _INTERNATIONAL.match(number):
        found = _international(number, suffix)
        if found is None and "+" not in number:
            found = _international(digits, suffix)
        if found is not None or "+" in number:
            return found
    elif region is not None:
        return _of_region(number, region, suffix)
    return f"{digits}{suffix}" if len(digits) <= _MOST else None


def _ascii_digits(text: str) -> str:
    return "".join(str(int(char)) for char in text if char.isdecimal())


def _is_other(number: str) -> bool:
    if _OTHER_SHAPE.fullmatch(number):
        return True
    date = DATE_PATTERN.fullmatch(number)
    return date is not None and not number.isdecimal() and date_of_match(date) is not None


def _international(number: str, suffix: str) -> str | None:
    plus = number.lstrip("(")
    plus = plus if plus.startswith("+") else "+" + plus.removeprefix("00").lstrip()
    found = _of_region(plus, None, suffix)
    if found is None and not suffix and (extension := _HYPHENATED_EXTENSION.search(plus)):
        # +86 20 6130 2222-8866
        return _of_region(plus[: extension.start()], None, f";ext={extension[1]}")
    return found


def _of_region(number: str, region: str | None, suffix: str) -> str | None:
    # The library's tables take long to load: it is imported when the first number is read (see warm_up).
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return f"{phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)}{suffix}"
