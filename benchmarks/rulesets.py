"""Rule sets and documents for benchmarks/rules.py: made up from words of several trades, the same for the same seed.

Rules grow in number as they do in use: with the kinds of documents that are covered. Each vocabulary (a supplier of a
trade, say) has ten rules of its own, and a document is of one vocabulary. Suppliers of one trade share its words.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass

RULES_EACH = 10

TRADES = {
    "retail": "subtotal total tender change cashier register discount rounding voucher item quantity receipt",
    "invoicing": "invoice amount balance payable remittance terms purchase order customer account reference net",
    "shipping": "consignment parcel weight pallet carrier waybill depot delivery collection freight manifest tracking",
    "energy": "meter reading kilowatt tariff standing charge consumption period supply point estimate rebate",
    "health": "patient dosage prescription practitioner referral claim procedure diagnosis ward appointment insurer",
    "payroll": "gross salary pension deduction employee overtime allowance period employer contribution taxable leave",
    "banking": "statement opening closing deposit withdrawal interest overdraft standing debit branch sort mandate",
    "travel": "departure arrival passenger booking fare seat terminal itinerary baggage voucher nights guest",
    "leasing": "tenant landlord premises rent term deposit renewal notice schedule covenant break surveyor",
    "german": "Rechnung Betrag Umsatzsteuer Lieferung Kundennummer Bestellung Fälligkeit Skonto Menge Größe Straße",
}
FILLER = (
    "thank you for your business please keep this page for your records goods sold are not returnable after seven days"
    " all prices include tax where it applies see over for conditions of sale and how to reach us by telephone"
)
SYLLABLES = "ba co da fen gil har jo kel lu mar nor pa qui ros sel tan ul ven wex yor zan"
#: Every so many vocabularies one of the ten rules allows for a misread character.
FUZZY_EVERY = 7
PUNCTUATION = (":", " :", "", " -", " #")


@dataclass(frozen=True)
class RuleSource:
    """One rule: its pattern, and the tokens that a token matcher would look for in its place."""

    identifier: str
    pattern: str
    tokens: list[dict[str, object]]


@dataclass(frozen=True)
class Vocabulary:
    """The words of one supplier and what its documents say."""

    supplier: str
    labels: tuple[str, ...]
    prefix: str
    digits: int


def vocabularies(count: int, seed: int) -> list[Vocabulary]:
    chosen = random.Random(seed)
    trades = list(TRADES.values())
    found = []
    for number in range(count):
        words = trades[number % len(trades)].split()
        labels: dict[str, None] = {}
        while len(labels) < 7:
            labels[" ".join(chosen.sample(words, 2))] = None
        supplier = "".join(chosen.choices(SYLLABLES.split(), k=4))
        prefix = "".join(chosen.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3))
        found.append(Vocabulary(supplier, tuple(labels), prefix, chosen.randint(5, 8)))
    return found


def rules_of(number: int, words: Vocabulary) -> list[RuleSource]:
    """Ten rules of the forms that people write: labels with values, codes, alternatives, errors allowed, shapes."""
    label = [pattern.replace(" ", r"\s+") for pattern in words.labels]
    code = rf"\b{words.prefix}-?\d{{{words.digits}}}\b"
    value = {"REGEX": r"\d"}
    number_label = rf"(?:{words.labels[5]}){{e<=1}}" if number % FUZZY_EVERY == 3 else label[5]
    code_label = rf"(?:{label[2]}|{label[3]})\s*(?:no|number)?"
    company = _tokens(words.supplier, {"IN": ["ltd", "gmbh", "inc", "llc"]})
    patterns = [
        (rf"{label[0]}\W{{0,5}}(?P<value>\d[\d,]*\.\d\d)(?!\d)", _tokens(words.labels[0], value)),
        (rf"{label[1]}\s*[:.#-]?\s*(?P<value>\d{{1,2}}/\d{{1,2}}/\d{{4}})", _tokens(words.labels[1], value)),
        (rf"{code_label}\W{{0,3}}(?P<value>[A-Z]*\d[\w-]{{3,}})", _tokens(words.labels[2], value)),
        (rf"(?<={words.labels[4]}\W{{1,3}})\d+(?:\.\d+)?", _tokens(words.labels[4], value)),
        (rf"{number_label}\W+(?P<value>\d+)", _tokens(words.labels[5], value)),
        (rf"{label[6]}\W+(?P<value>\d{{1,2}}(?:\.\d+)?\s?%)", _tokens(words.labels[6], value)),
        (code, [{"TEXT": {"REGEX": rf"^{words.prefix}-?\d{{{words.digits}}}$"}}]),
        (rf"\b\d{{3}}-\d{{{words.digits - 2}}}-{number % 10}\d\b", [{"TEXT": {"REGEX": r"^\d{3}-\d+-\d\d$"}}]),
        (rf"[\w.+-]+@{words.supplier}\.example", [{"TEXT": {"REGEX": rf"@{words.supplier}\.example$"}}]),
        (rf"\b{words.supplier}\s+(?:ltd|gmbh|inc|llc)\b", company),
    ]  # fmt: skip
    return [RuleSource(f"v{number}-{index}", *pattern) for index, pattern in enumerate(patterns)]


def _tokens(words: str, following: dict[str, object]) -> list[dict[str, object]]:
    tokens: list[dict[str, object]] = [{"LOWER": word.lower()} for word in words.split()]
    return [*tokens, {"IS_PUNCT": True, "OP": "?"}, {"LOWER": following}]


def document(words: Vocabulary, trade: list[Vocabulary], characters: int, seed: int) -> str:
    """A document of one vocabulary: what its rules look for, as much again that they do not, and filler."""
    chosen = random.Random(seed)
    lines = [f"{words.supplier.title()} Ltd", f"mail accounts@{words.supplier}.example"]
    while sum(map(len, lines)) + len(lines) < characters:
        kind = chosen.random()
        if kind < 0.3:
            lines.append(_labelled(chosen.choice(words.labels), words, chosen))
        elif kind < 0.5:
            other = chosen.choice(trade)
            first, second = chosen.choice(other.labels).split()
            lines.append(_labelled(f"{second} {first}", other, chosen))
        else:
            lines.append(" ".join(chosen.choices(FILLER.split(), k=8)).capitalize())
    return "\n".join(lines)[:characters]


def _labelled(label: str, words: Vocabulary, chosen: random.Random) -> str:
    date = datetime.date(2019, 1, 1) + datetime.timedelta(days=chosen.randrange(2000))
    code = chosen.randrange(10**words.digits)
    value = chosen.choice(
        [
            f"{chosen.randrange(100_000) / 100:,.2f}",
            f"{date:%d/%m/%Y}",
            f"{words.prefix}-{code:0{words.digits}}",
            f"{chosen.randrange(25)} %",
            str(chosen.randrange(10_000)),
        ]
    )
    return f"{label.title()}{chosen.choice(PUNCTUATION)} {value}"
