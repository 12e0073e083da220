"""From what rules found to candidates: values in the form labels use, checked, normalised and ranked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from gateway.document import Candidate
from gateway.task import FieldSpec
from gateway.tiers.rules.budget import Budget
from gateway.tiers.rules.compiling import CompiledRule
from gateway.tiers.rules.normalising import apply_steps
from gateway.tiers.rules.schema import AgreementRule
from gateway.tiers.rules.scope import MAX_VALUE_CHARS, Found, longest_value
from gateway.tiers.rules.text import Text
from gateway.values import ValueOptions, canonical

MAX_CANDIDATES = 5
#: A ``many`` field may have more items than a single field has rivals.
MAX_ITEMS = 100


def candidates_of(
    rule: CompiledRule, found: Sequence[Found], text: Text, options: ValueOptions, budget: Budget
) -> list[Candidate]:
    """A rule's candidates, each normalised value once, in the order the rule prefers them.

    What is no value of the rule's type or does not hold under its ``validate`` is dropped. For a single field the
    stated precision is that of the rule's first candidate; the others share what is left of it. Where the order of the
    text decides, no more is read than a field has candidates.

    Raises:
        TimeoutError: a replacement or the validator ran out of time.
    """
    field = rule.field
    read: list[Candidate] = []
    prefer = rule.spec.prefer
    in_order = found[::-1] if prefer == "last" else found
    enough = MAX_CANDIDATES if prefer in ("first", "last") and not field.many else None
    distinct: set[str] = set()
    for item in in_order:
        start, end = item.span
        raw = text.text[start:end]
        if not raw.strip() or len(raw) > MAX_VALUE_CHARS:
            continue
        # Reading a value may take longer than finding it did.
        budget.left()
        value, form, refusal = read_value(rule, item.value, raw, options, budget)
        if refusal is None:
            read.append(Candidate(text.verbatim[start:end], value, form, (item.span,), rule.score, rule.source))
            distinct.add(form)
            if len(distinct) == enough:
                break
    ordered = _preferred(prefer, read)
    firsts: dict[str, Candidate] = {}
    for candidate in ordered:
        firsts.setdefault(candidate.normalised, candidate)
    unique = list(firsts.values())
    if field.many or rule.spec.precision is None:
        return unique
    rest = min(rule.score, 1.0 - rule.score)
    return [candidate if rank == 0 else replace(candidate, score=rest) for rank, candidate in enumerate(unique)]


def rank(by_rule: Sequence[Sequence[Candidate]], field: FieldSpec) -> tuple[Candidate, ...]:
    """Candidates of a field from those of its rules, given in order of priority.

    Each rule's first candidate comes before any rule's second; a value stands once, under the rule that ranked it
    highest. A ``many`` field keeps all items in the order of the text.
    """
    entries = [
        (position, number, candidate)
        for number, candidates in enumerate(by_rule)
        for position, candidate in enumerate(candidates)
    ]
    if not field.many:
        entries.sort(key=lambda entry: (entry[0] > 0, entry[1], entry[0]))
    ranked: dict[str, Candidate] = {}
    for _, _, candidate in entries:
        ranked.setdefault(candidate.normalised, candidate)
    if field.many:
        return tuple(sorted(ranked.values(), key=lambda candidate: candidate.spans))[:MAX_ITEMS]
    return tuple(ranked.values())[:MAX_CANDIDATES]


class ReadValue(NamedTuple):
    """A value in the form that labels use and in its field's canonical form; ``refusal`` says why it is none."""

    value: str
    normalised: str
    refusal: str | None = None


def read_value(rule: CompiledRule, value: str | None, raw: str, options: ValueOptions, budget: Budget) -> ReadValue:
    """What a rule makes of a stretch of text: rewritten, of its type, and validated.

    ``value`` is set where a lookup gives it; then only the type and ``validate`` are looked at. A rule's own type says
    what the value must be; ``normalised`` is always of the field's type, so that candidates of all tiers compare.

    Raises:
        TimeoutError: a replacement or the validator ran out of time.
    """
    if value is None:
        value = _value(rule, raw, budget)
        if rule.spec.normalise and len(value) <= longest_value(rule.kind):
            value = apply_steps(value, rule.spec.normalise, partial(canonical, rule.kind, options=options))
    for kind in (rule.kind, rule.field.type):
        if len(value) > longest_value(kind):
            return ReadValue(value, "", f"a text of {len(value)} characters is no {kind}")
    own = canonical(rule.kind, value, options=options)
    if own is None:
        return ReadValue(value, "", f"{value!r} is no {rule.kind}")
    refusal = rule.validator.refusal(value, own, budget) if rule.validator else None
    if refusal is not None:
        return ReadValue(value, "", f"{value!r} is refused: {refusal}")
    form = own if rule.kind == rule.field.type else canonical(rule.field.type, value, options=options)
    if form is None:
        return ReadValue(value, "", f"{value!r} is no {rule.field.type}")
    return ReadValue(value, form)


def _value(rule: CompiledRule, raw: str, budget: Budget) -> str:
    lines = [line.strip() for line in raw.split("\n")]
    value = rule.spec.join.join(line for line in lines if line) if len(lines) > 1 else raw.strip()
    for pattern, replacement in rule.replacements:
        value = pattern.sub(replacement, value, timeout=budget.left())
        if len(value) > MAX_VALUE_CHARS:
            # A replacement can multiply what it rewrites, and the next one that: what is too long is no value.
            return ""
    return value.strip()


def _preferred(prefer: str, candidates: list[Candidate]) -> list[Candidate]:
    """Candidates, read in the order of the text or backwards (``last``), in the order that the rule prefers."""
    if prefer == "frequent":
        counts = Counter(candidate.normalised for candidate in candidates)
        return sorted(candidates, key=lambda candidate: -counts[candidate.normalised])
    if prefer == "largest":
        return sorted(candidates, key=lambda candidate: _magnitude(candidate.normalised), reverse=True)
    return candidates


def _magnitude(normalised: str) -> tuple[Decimal, str]:
    """Amounts and numbers by value; dates (and texts) in the order of their characters."""
    digits = normalised.removeprefix("-").replace(".", "", 1)
    return (Decimal(normalised) if digits.isdecimal() else Decimal(0), normalised)


def agreed(
    rule: CompiledRule, spec: AgreementRule, found: Sequence[tuple[str, Sequence[Candidate]]]
) -> list[Candidate]:
    """What enough of the named rules have as their first candidate; what more of them have comes first.

    ``found`` holds rule ids and their candidates in order of priority; the first of those who agree lends its span
    and value.
    """
    firsts = [
        candidates[0] for identifier, candidates in found if candidates and (spec.of is None or identifier in spec.of)
    ]
    counts = Counter(candidate.normalised for candidate in firsts)
    voices = {candidate.normalised: candidate for candidate in reversed(firsts)}
    return [
        replace(voices[normalised], score=rule.score, source=rule.source)
        for normalised, count in counts.most_common()
        if count >= spec.least
    ]
