"""The steps of ``normalise`` and the checks of ``validate``: from a stretch of text to a value."""

from __future__ import annotations

import datetime
import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import regex

from gateway.tiers.rules.budget import Budget
from gateway.tiers.rules.patterns import Compiled
from gateway.tiers.rules.schema import Bound, NormaliseStep

#: What OCR reads for a digit.
_OCR_DIGITS = str.maketrans("OoQDIl|!ZSsBG", "0000111125586")
_NUMBER = regex.compile(r"[-+]?\d+(?:\.\d+)?")
#: Types whose values have an order, so that ``min`` and ``max`` mean something.
ORDERED_TYPES = frozenset({"money", "number", "percent", "date", "time"})


def _no_accents(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value)
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not unicodedata.combining(char)))


#: ``canonical`` is not here: it needs the value's type.
STEPS: Mapping[NormaliseStep, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "title": string.capwords,
    "collapse-space": lambda value: " ".join(value.split()),
    "remove-space": lambda value: "".join(value.split()),
    "strip-punctuation": lambda value: regex.sub(r"^[\p{P}\p{S}\s]+|[\p{P}\p{S}\s]+$", "", value),
    "digits-only": lambda value: "".join(char for char in value if char.isdecimal()),
    "ocr-digits": lambda value: value.translate(_OCR_DIGITS),
    "no-accents": _no_accents,
}


def apply_steps(value: str, steps: Iterable[NormaliseStep], canonical: Callable[[str], str | None]) -> str:
    """``value`` after ``steps``, in order. ``canonical`` leaves a value alone that is none of its type."""
    for step in steps:
        value = (canonical(value) or value) if step == "canonical" else STEPS[step](value)
    return value


def comparable(kind: str, canonical: str) -> Decimal | str | None:
    """What values of an ordered type are compared by, or ``None`` where this one has no order."""
    if kind in ("date", "time"):
        return canonical
    match = _NUMBER.match(canonical)
    return Decimal(match[0]) if match else None


def bound(kind: str, written: Bound) -> Decimal | str:
    """A bound of ``validate`` as values of ``kind`` are compared.

    Raises:
        ValueError: the type has no order, or the bound is no value of it.
    """
    if kind not in ORDERED_TYPES:
        raise ValueError(f"min and max are for {', '.join(sorted(ORDERED_TYPES))}; a {kind} has no order")
    text = written.isoformat() if isinstance(written, datetime.date) else str(written)
    if kind == "date":
        try:
            return datetime.date.fromisoformat(text).isoformat()
        except ValueError as error:
            raise ValueError(f"{text!r} is no date of the form 2018-03-28") from error
    if kind == "time":
        if not regex.fullmatch(r"\d\d:\d\d(?::\d\d)?", text):
            raise ValueError(f"{text!r} is no time of the form 13:05")
        return text
    try:
        number = Decimal(text.removesuffix("%"))
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number") from error
    if not number.is_finite():
        raise ValueError(f"{text!r} is no number")
    return number


@dataclass(frozen=True)
class Validator:
    """The compiled ``validate`` of a rule."""

    kind: str
    pattern: Compiled | None = None
    least: Decimal | str | None = None
    most: Decimal | str | None = None
    min_length: int | None = None
    max_length: int | None = None

    def refusal(self, value: str, canonical: str, budget: Budget) -> str | None:
        """Why a value (``canonical`` in its type's form) does not hold; ``None`` where it does.

        Raises:
            TimeoutError: the pattern ran out of time.
        """
        if self.min_length is not None and len(value) < self.min_length:
            return f"shorter than {self.min_length} characters"
        if self.max_length is not None and len(value) > self.max_length:
            return f"longer than {self.max_length} characters"
        if self.least is not None or self.most is not None:
            place = comparable(self.kind, canonical)
            # Bounds and values of one type are compared by one kind of key.
            if place is None:
                return f"{canonical!r} cannot be compared"
            if self.least is not None and place < self.least:  # type: ignore[operator]
                return f"below the least, {self.least}"
            if self.most is not None and place > self.most:  # type: ignore[operator]
                return f"above the most, {self.most}"
        if self.pattern is not None and not self.pattern.fullmatch(value, timeout=budget.left()):
            return "validate.pattern does not match all of it"
        return None
