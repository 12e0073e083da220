"""Numbers with check digits that name an account: IBAN and payment card."""

from __future__ import annotations

import regex

#: Two letters, two check digits and up to 30 more, run together or in groups of four.
IBAN_SOURCE = r"(?<![\w-])[A-Z]{2}\d{2}(?:(?:\s?[A-Z0-9]{4}){2,7}+(?:\s?[A-Z0-9]{1,3})?)(?![\w-])"
#: 12 to 19 digits, run together or parted by single spaces or hyphens.
CARD_SOURCE = r"(?<![\w.,+-]|\d )\d(?:[ -]?\d){11,18}+(?![\w-]|[ .,]\d)"

# What payment cards begin with and how long each issuer's numbers are (ISO/IEC 7812 issuer identification numbers).
_ISSUERS = (
    (regex.compile(r"4"), (13, 16, 19)),
    (regex.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)"), (16,)),
    (regex.compile(r"3[47]"), (15,)),
    (regex.compile(r"6(?:011|4[4-9]|5)|622"), (16, 17, 18, 19)),
    (regex.compile(r"62|81"), (16, 17, 18, 19)),
    (regex.compile(r"35(?:2[89]|[3-8])"), (16, 17, 18, 19)),
    (regex.compile(r"3(?:0[0-5]|095|[689])"), (14, 15, 16, 17, 18, 19)),
    (regex.compile(r"5[06-8]|6"), (12, 13, 14, 15, 16, 17, 18, 19)),
)
_CARD = regex.compile(r"\d(?:[ -]?\d){11,18}")
_IBAN = regex.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")


def parse_iban(text: str) -> str | None:
    """An IBAN without spaces, of its country's length and form, whose check digits hold (ISO 13616, mod 97-10)."""
    from stdnum import iban
    from stdnum.exceptions import ValidationError

    compact = "".join(text.split()).upper()
    if not _IBAN.fullmatch(compact):
        return None
    try:
        # The account's own national check digits are left alone: banks issue numbers without them.
        return str(iban.validate(compact, check_country=False))
    except ValidationError:
        return None


def parse_card(text: str) -> str | None:
    """A payment card's digits, where an issuer has such numbers and the Luhn check digit holds (ISO/IEC 7812)."""
    from stdnum import luhn

    text = text.strip()
    if not _CARD.fullmatch(text):
        return None
    digits = text.replace(" ", "").replace("-", "")
    if not digits.isascii() or not any(start.match(digits) and len(digits) in sizes for start, sizes in _ISSUERS):
        return None
    return digits if luhn.is_valid(digits) else None
