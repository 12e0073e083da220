"""Numbers in English words, as patterns: cardinals, decimals (*two point five*), fractions (*a quarter million*)."""

from __future__ import annotations

from gateway.values.sources import either


def _numbered(names: str, start: int = 0) -> dict[str, int]:
    """Names to consecutive numbers; forms of one name are parted by a bar."""
    return {name: value for value, forms in enumerate(names.split(), start) for name in forms.split("|")}


UNITS = _numbered("zero|nought|naught one two three four five six seven eight nine")
TEENS = _numbered("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10)
TENS = {
    name: 10 * value
    for name, value in _numbered("twenty thirty forty|fourty fifty sixty seventy eighty ninety", 2).items()
}
_SINGLE_SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "lakh": 10**5,
    "million": 10**6,
    "crore": 10**7,
    "billion": 10**9,
    "trillion": 10**12,
    "quadrillion": 10**15,
    "quintillion": 10**18,
    "dozen": 12,
    "doz": 12,
    "dz": 12,
}
#: What a number before it is multiplied with. A billion is 10⁹.
SCALES = _SINGLE_SCALES | {f"{name}s": value for name, value in _SINGLE_SCALES.items()}
#: *First* and *second* make fractions only behind a ten: *a twenty-first*.
SMALL_ORDINALS = _numbered("first second third fourth fifth sixth seventh eighth ninth", 1)
_TEEN_ORDINALS = "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
_PARTS = {
    **{name: value for name, value in SMALL_ORDINALS.items() if value > 2},
    **{"half": 2, "quarter": 4},
    **_numbered(_TEEN_ORDINALS, 10),
    **{f"{name[:-1]}ieth": value for name, value in TENS.items()},
    **{f"{name}th": SCALES[name] for name in ("hundred", "thousand", "million", "billion", "trillion")},
}
DENOMINATORS = SMALL_ORDINALS | _PARTS
_PLURAL_DENOMINATORS = {f"{name}s": value for name, value in DENOMINATORS.items()} | {"halves": 2}
DENOMINATORS |= _PLURAL_DENOMINATORS

#: A number has no more scales and decimals than this: what is longer is no number, and searching takes bounded time.
_MOST = 12
_SEPARATOR = r"(?:\s{1,3}|\s?-\s?)"
_AND = r"\s{1,3}and\s{1,3}"
_SCALE = rf"{either(SCALES)}(?!\w)"
_TEN = either(TENS)
#: *forty-five*, *nineteen*, *three*.
SMALL_SOURCE = (
    rf"(?:{_TEN}(?!\w)(?:{_SEPARATOR}{either(name for name, value in UNITS.items() if value)}(?!\w))?+"
    rf"|{either(TEENS | UNITS)}(?!\w))"
)
_SCALED = rf"(?:{_SEPARATOR}{_SCALE}){{1,4}}+(?:(?:{_AND}|{_SEPARATOR}){SMALL_SOURCE})?+"
#: *two*, *twenty-one trillion three hundred*, *a hundred and six*.
CARDINAL_SOURCE = rf"(?:(?:{SMALL_SOURCE}|an?(?={_SEPARATOR}{_SCALE}))(?:{_SCALED}){{0,{_MOST}}}+)"
_ONE_PART = rf"(?:{_TEN}{_SEPARATOR}{either(SMALL_ORDINALS)}|{either(_PARTS)})(?!\w)"
_PARTS_OF = rf"(?:{_TEN}{_SEPARATOR})?{either(_PLURAL_DENOMINATORS)}(?!\w)"
_A_PART = rf"(?:an?|one){_SEPARATOR}{_ONE_PART}(?!\s(?:past|to)\b)(?:\s{{1,3}}{_SCALE})?"
#: A fraction behind a whole number of millions, in figures or in words.
AND_A_PART_SOURCE = rf"{_AND}(?:{_A_PART}|half(?!\w|\s(?:past|to|of|the|an?)\b)|{SMALL_SOURCE}{_SEPARATOR}{_PARTS_OF})"
#: Parts behind their number in figures: *4 fifths*.
PARTS_SOURCE = rf"{either([*(f'{name}s' for name in _PARTS if name != 'half'), 'halves'])}(?!\w)"
_MORE = rf"(?:{SMALL_SOURCE}|\d{{1,3}}(?!\w|[.,]\d))"
#: What may follow figures with a scale: *and a half*, *3 hundred and 21*.
AFTER_SCALE_SOURCE = (
    rf"(?:{AND_A_PART_SOURCE}|(?:(?:{_AND}|{_SEPARATOR}){_MORE}(?:{_SEPARATOR}{_SCALE}){{1,4}}+|{_AND}{_MORE}){{1,4}}+)"
)
#: A written number, without its sign. The first word keeps the rest from being tried at every word.
WORDS_SOURCE = (
    rf"(?:\b(?=[aefhnoqstz])(?=an?\s|{either({'half', 'quarter'} | TENS.keys() | TEENS.keys() | UNITS.keys())}(?!\w))"
    rf"(?:(?:half|quarter)\s{{1,3}}(?:an?\s{{1,3}})?{_SCALE}|{_A_PART}"
    rf"|{CARDINAL_SOURCE}(?:{AND_A_PART_SOURCE}|{_SEPARATOR}{_PARTS_OF}"
    rf"|(?<=\bone){_SEPARATOR}{_ONE_PART}(?:\s{{1,3}}{_SCALE})?"
    rf"|\s{{1,3}}point(?:{_SEPARATOR}{SMALL_SOURCE}){{1,{_MOST}}}+(?:\s{{1,3}}{_SCALE}){{0,3}}+"
    rf"|\s{{1,3}}(?:over|out\s{{1,3}}of)\s{{1,3}}(?:{CARDINAL_SOURCE}|\d{{1,6}}(?!\w|[.,]\d)))?))"
)
