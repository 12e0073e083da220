"""Finding where in a text a labelled value stands, when the data does not say.

Labels and OCR differ: white space, commas and letter case come and go, single characters are misread, and one
amount stands on several lines. Every occurrence that is *equal by value* is an occurrence; which of them the
label meant is left to training (see ``training.loop``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import regex
from rapidfuzz import fuzz

from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values
from gateway.task import FieldSpec, TaskSpec
from gateway.values import (
    DATE_PATTERN,
    DEFAULT_OPTIONS,
    MONEY_PATTERN,
    ValueOptions,
    ValueType,
    canonical,
    date_of_match,
    fold_text,
    money_of_match,
)
from gateway.values.money import format_money

_DECIMALS = regex.compile(r"[.,]\d\d?$")
# A number that is no part of a longer one, of a date, a time or a word.
_NUMBER = regex.compile(r"(?<![\w.,/:-])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w|[.,/:-]\d)")

Span = tuple[int, int]
How = Literal["given", "inside", "exact", "value", "folded", "fuzzy", "missing"]


@dataclass
class AlignmentReport:
    """How many labels were found and how, a field: ``counts[field][how]``; and which were not."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    missing: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, document_id: str, name: str, value: str, how: How) -> None:
        self.counts.setdefault(name, Counter())[how] += 1
        if how == "missing":
            self.missing.append((document_id, name, value))


def _fold_with_offsets(text: str) -> tuple[str, list[int]]:
    """``text`` folded as equality folds it, with the original offset of every kept character."""
    kept: list[str] = []
    offsets: list[int] = []
    for index, char in enumerate(text):
        if char in ",." or char.isspace():
            continue
        for folded in char.casefold():
            kept.append(folded)
            offsets.append(index)
    return "".join(kept), offsets


def find_folded(text: str, value: str) -> list[Span]:
    """Occurrences of ``value`` that are equal but for case, commas, full stops and white space.

    An occurrence may not begin or end inside a run of digits, and takes with it a closing full stop the
    value also has.
    """
    folded, offsets = _fold_with_offsets(text)
    wanted, _ = _fold_with_offsets(value)
    spans: list[Span] = []
    position = folded.find(wanted) if wanted else -1
    while position >= 0:
        start, end = offsets[position], offsets[position + len(wanted) - 1] + 1
        cuts_number = (start > 0 and text[start - 1].isdigit() and text[start].isdigit()) or (
            end < len(text) and text[end - 1].isdigit() and text[end].isdigit()
        )
        if not cuts_number:
            if value[-1] in ".," and end < len(text) and text[end] == value[-1]:
                end += 1
            spans.append((start, end))
        position = folded.find(wanted, position + 1)
    return spans


def find_typed(text: str, value: str, kind: ValueType, *, options: ValueOptions) -> list[Span]:
    """Occurrences equal by value, for dates, amounts and numbers."""
    wanted = canonical(kind, value, options=options)
    spans: list[Span] = []
    if wanted is None:
        return spans
    if kind == "date":
        for match in DATE_PATTERN.finditer(text):
            date = date_of_match(match, day_first=options.day_first)
            if date is not None and date.isoformat() == wanted:
                spans.append(match.span())
    elif kind == "money":
        has_currency = not value.strip()[:1].isdigit()
        # A whole number in the text is more often a quantity, unless the label itself is one.
        is_whole = not _DECIMALS.search(value)
        for match in MONEY_PATTERN.finditer(text):
            amount = money_of_match(match, options.decimal)
            decimals = _DECIMALS.search(match["digits"])
            if amount is not None and format_money(amount) == wanted and (decimals or is_whole):
                # A label without its currency names the digits alone, with their sign.
                start = match.start("inner") if match["inner"] else match.start("digits")
                if match["sign"] or (has_currency and "\n" not in match[0]):
                    start = match.start()
                spans.append((start, match.end()))
    elif kind == "number":
        for match in _NUMBER.finditer(text):
            if canonical("number", match[0]) == wanted:
                spans.append(match.span())
    return spans


def find_fuzzy(text: str, value: str, *, least: float = 85.0) -> list[Span]:
    """The stretch of ``text`` most like ``value``, when at least ``least`` per cent alike; whole words only."""
    # Of two strings partial_ratio_alignment seeks the shorter in the longer, whichever comes first.
    if len(value) < 5 or len(text) < len(value):
        return []
    # One character for one character: offsets into the folded text are offsets into the text.
    flat, wanted = ("".join(map(_fold_character, string)) for string in (text, value))
    best = fuzz.partial_ratio_alignment(wanted, flat)
    if best is None or best.score < least:
        return []
    start, end = best.dest_start, best.dest_end
    while start > 0 and not text[start - 1].isspace() and not text[start].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace() and not text[end - 1].isspace():
        end += 1
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    # A value inside one much longer word is no value.
    return [(start, end)] if 0 < end - start <= 2 * len(value) else []


def _fold_character(char: str) -> str:
    folded = " " if char.isspace() else char.casefold()
    return folded if len(folded) == 1 else char


def find_value(
    text: str, value: str, kind: ValueType, *, options: ValueOptions = DEFAULT_OPTIONS
) -> tuple[list[Span], How]:
    """All occurrences of one value, by the strictest way that finds any, and which way that was."""
    if not value.strip():
        return [], "missing"
    if kind != "text":
        typed = find_typed(text, value, kind, options=options)
        if typed:
            return typed, "exact" if any(text[s:e] == value for s, e in typed) else "value"
        # A date, amount or number one character off is another one.
        return [], "missing"
    exact = [match.span() for match in regex.finditer(rf"(?<!\w){regex.escape(value)}(?!\w)", text)]
    if exact:
        return exact, "exact"
    if folded := find_folded(text, value):
        return folded, "folded"
    if fuzzy := find_fuzzy(text, value):
        return fuzzy, "fuzzy"
    return [], "missing"


def align(documents: Sequence[LabelledDocument], task: TaskSpec) -> tuple[list[dict[str, list[Span]]], AlignmentReport]:
    """Spans of every label of every document.

    Returns:
        One mapping a document from field to occurrences (``[]``: absent, so every token is outside). A field that is
        not annotated, or whose value was not found, is left out of the mapping: nothing is learned from it. And the
        report.

    Raises:
        DatasetError: several values for a field that is not ``many``.
    """
    report = AlignmentReport()
    aligned: list[dict[str, list[Span]]] = []
    for document in documents:
        found: dict[str, list[Span]] = {}
        for name, spec in task.fields.items():
            values = expected_values(task, document, name)
            if name in document.spans:
                given, how = _given(document, name, spec, values, task.options)
                report.add(document.id, name, "" if how != "missing" else " | ".join(values or ()), how)
                if how != "missing":
                    found[name] = given
                continue
            if values is None:
                continue
            spans: list[Span] = []
            complete = True
            for value in values:
                occurrences, how = find_value(document.text, value, spec.type, options=task.options)
                report.add(document.id, name, value, how)
                complete &= how != "missing"
                spans += occurrences
            if complete:
                found[name] = sorted(set(spans))
        aligned.append(found)
    return aligned, report


def _given(
    document: LabelledDocument, name: str, spec: FieldSpec, values: Sequence[str] | None, options: ValueOptions
) -> tuple[list[Span], How]:
    """The places that the data gives for a field, cut to the value where it is only a part of what was marked."""
    kept: list[Span] = []
    cut = False
    labels = {fold_text(value) for value in values or ()}
    wanted = {canonical(spec.type, value, options=options) for value in values or ()} - {None}
    for start, end in document.spans[name]:
        marked = document.text[start:end]
        if not labels or fold_text(marked) in labels:
            kept.append((start, end))
            continue
        inner = [
            (start + first, start + last)
            for value in values or ()
            for places, how in [find_value(marked, value, spec.type, options=options)]
            if how != "fuzzy"
            for first, last in places
        ]
        if inner:
            cut |= inner != [(start, end)]
            kept += inner
        elif canonical(spec.type, marked, options=options) in wanted:
            kept.append((start, end))
        else:
            return [], "missing"
    return sorted(set(kept)), "inside" if cut else "given"
