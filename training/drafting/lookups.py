"""Lists of values that were seen: rules that look them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import regex

from gateway.tiers.rules.table import fold
from training.drafting.candidate import Candidate
from training.drafting.occurrences import FieldCorpus, Labelled

WORD = regex.compile(r"\w+(?:['-]\w+)*")
#: Numbers of lines that rules look at: round ones, so that a fold more or less changes nothing.
ROUND = (1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 100, 200, 500)


def upper(counts: Iterable[int]) -> int:
    """What 97 % of counts do not exceed: a few odd documents shall not decide how far a rule looks."""
    ordered = sorted(counts)
    return ordered[min(len(ordered) - 1, int(0.97 * len(ordered)))]


def vocabulary(valued: Sequence[Labelled]) -> list[str]:
    """Values that several documents have."""
    counts: Counter[str] = Counter()
    for item in valued:
        counts.update({" ".join(occurrence.text.lower().split()) for occurrence in item.occurrences})
    return sorted(word for word, count in counts.items() if count >= 2 and fold(word))


def lookups(valued: Sequence[Labelled], numbers: Sequence[int], corpus: FieldCorpus) -> Iterator[Candidate]:
    """Lists of the values that were seen: as whole lines, and as words that hardly ever mean something else."""
    if corpus.spec.type != "text":
        return
    writings: dict[str, Counter[str]] = {}
    for item in valued:
        for value in item.values:
            if fold(value):
                writings.setdefault(fold(value), Counter())[" ".join(value.split())] += 1
    entries = tuple(sorted(min(forms, key=lambda form: (-forms[form], form)) for forms in writings.values()))
    whole = [item for item in valued if any(occurrence.whole for occurrence in item.occurrences)]
    if 2 * len(whole) > len(valued) and corpus.documents[numbers[0]].line_count > 1:
        firsts = [item.occurrences[0] for item in whole]
        rows = next((number for number in ROUND if number >= upper(o.line + o.lines for o in firsts)), ROUND[-1])
        span = min(12, upper(occurrence.lines for occurrence in firsts))
        keys: dict[str, Any] = {"kind": "lookup", "match": "lines", "lines": {"first": rows}, "span": span}
        yield Candidate("lookup:lines", keys, "lines that are a value seen before", len(whole), entries)
        alike = {**keys, "fuzzy": 90, "same_digits": True}
        yield Candidate("lookup:alike", alike, "lines that are much like a value seen before", len(whole), entries)
    steady = _steady_words(numbers, corpus, writings)
    if steady:
        yield Candidate(
            "lookup:words",
            {"kind": "lookup", "match": "words"},
            "values seen before that hardly ever mean something else",
            len(valued),
            steady,
        )


def _steady_words(numbers: Sequence[int], corpus: FieldCorpus, writings: Mapping[str, Counter[str]]) -> tuple[str, ...]:
    """Those values that, wherever their words stand in these documents, nearly always are a value of the field."""
    short = {key: forms for key, forms in writings.items() if len(key) <= 60}
    by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for key, forms in short.items():
        listed = tuple(fold(word) for word in WORD.findall(next(iter(forms))))
        if listed:
            by_first.setdefault(listed[0], []).append((listed, key))
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for number in numbers:
        item = corpus.documents[number]
        if item.wanted is None:
            continue
        words = [fold(word) for word in WORD.findall(item.document.text[:20_000])]
        own = {fold(value) for value in item.values}
        found = {
            key
            for place, word in enumerate(words)
            for listed, key in by_first.get(word, ())
            if tuple(words[place : place + len(listed)]) == listed
        }
        seen.update(found)
        right.update(found & own)
    # Add-one: a value seen once, and right, is believed a little less than one seen ten times.
    kept = [key for key, count in seen.items() if (right[key] + 1) / (count + 2) >= 0.6 and right[key] >= 0.85 * count]
    return tuple(sorted(min(short[key], key=lambda form: (-short[key][form], form)) for key in kept))
