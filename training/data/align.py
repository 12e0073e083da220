"""Finding where in a text a labelled value stands, when the data does not say.

Labels and OCR differ: white space, commas and letter case come and go, single characters are misread, and one
amount stands on several lines. Every occurrence that is *equal by value* is an occurrence; which of them the
label meant is left to training (see ``training.loop``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import regex
from rapidfuzz import fuzz

from gateway.evaluation.dataset import LabelledDocument
from gateway.values import DATE_PATTERN, MONEY_PATTERN, ValueType, canonical, date_of_match, money_of_match

Span = tuple[int, int]
How = Literal["given", "exact", "value", "folded", "fuzzy", "missing"]


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


def find_typed(text: str, value: str, kind: ValueType, *, day_first: bool) -> list[Span]:
    """Occurrences equal by value, for dates and amounts."""
    wanted = canonical(kind, value, day_first=day_first)
    spans: list[Span] = []
    if wanted is None:
        return spans
    if kind == "date":
        for match in DATE_PATTERN.finditer(text):
            date = date_of_match(match, day_first=day_first)
            if date is not None and date.isoformat() == wanted:
                spans.append(match.span())
    elif kind == "money":
        has_currency = not value.strip()[:1].isdigit()
        for match in MONEY_PATTERN.finditer(text):
            amount = money_of_match(match)
            decimals = regex.search(r"[.,]\d\d?$", match["digits"])
            if amount is not None and f"{amount:.2f}" == wanted and decimals:
                # A label without its currency names the digits alone.
                start = match.start() if has_currency and "\n" not in match[0] else match.start("digits")
                spans.append((start, match.end()))
    return spans


def find_fuzzy(text: str, value: str, *, least: float = 85.0) -> list[Span]:
    """The stretch of ``text`` most like ``value``, when at least ``least`` per cent alike; whole words only."""
    if len(value) < 5:
        return []
    flat = text.replace("\n", " ").casefold()
    best = fuzz.partial_ratio_alignment(value.casefold(), flat)
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
    return [(start, end)] if end > start else []


def find_value(text: str, value: str, kind: ValueType, *, day_first: bool = True) -> tuple[list[Span], How]:
    """All occurrences of one value, by the strictest way that finds any, and which way that was."""
    if kind in ("date", "money"):
        typed = find_typed(text, value, kind, day_first=day_first)
        if typed:
            return typed, "exact" if any(text[s:e] == value for s, e in typed) else "value"
        # A date or amount one character off is another date or amount.
        return [], "missing"
    exact = [match.span() for match in regex.finditer(rf"(?<!\w){regex.escape(value)}(?!\w)", text)]
    if exact:
        return exact, "exact"
    if folded := find_folded(text, value):
        return folded, "folded"
    if fuzzy := find_fuzzy(text, value):
        return fuzzy, "fuzzy"
    return [], "missing"


def align(
    documents: Sequence[LabelledDocument], kinds: Mapping[str, ValueType], *, day_first: bool = True
) -> tuple[list[dict[str, list[Span]]], AlignmentReport]:
    """Spans of every label of every document.

    Returns:
        One mapping a document from field to occurrences (``[]``: absent, so every token is outside). A field that is
        not annotated, or whose value was not found, is left out of the mapping: nothing is learned from it. And the
        report.
    """
    report = AlignmentReport()
    aligned: list[dict[str, list[Span]]] = []
    for document in documents:
        found: dict[str, list[Span]] = {}
        for name, kind in kinds.items():
            if name in document.spans:
                found[name] = list(document.spans[name])
                report.add(document.id, name, "", "given")
                continue
            label = document.labels.get(name)
            if label is None:
                continue
            values = [label] if isinstance(label, str) else label
            spans: list[Span] = []
            complete = True
            for value in values:
                occurrences, how = find_value(document.text, value, kind, day_first=day_first)
                report.add(document.id, name, value, how)
                complete &= how != "missing"
                spans += occurrences
            if complete:
                found[name] = sorted(set(spans))
        aligned.append(found)
    return aligned, report
