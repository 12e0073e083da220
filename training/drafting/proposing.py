"""Rules that some documents suggest for a field: value patterns, contexts, places and lists of known values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import regex

from training.drafting.candidate import Candidate
from training.drafting.expressions import (
    ANY_WORD,
    MOST_CHARACTERS,
    context_pattern,
    either,
    left_pattern,
    right_pattern,
    shapes_of,
    words_pattern,
)
from training.drafting.lookups import ROUND, WORD, lookups, upper, vocabulary
from training.drafting.occurrences import EDGE, MOST_TOKENS, Context, FieldCorpus, Labelled, Occurrence

#: A context, a shape or a word is proposed when it was seen in so many documents.
LEAST_DOCUMENTS = 3
_FEW_WORDS = 40
_LONGEST_WORD = 20
#: Recognisers that match nearly all values and find little else in so many documents; the best of them are tried.
_LEAST_MATCHED = 0.9
_LOOKED_AT = 40
_MOST_RECOGNISERS = 2
_MOST_SHAPES = 12


class ValuePattern(NamedTuple):
    """A pattern for values: how candidates' keys call it, and what it is for people."""

    name: str
    pattern: str
    about: str


@dataclass(frozen=True)
class Limits:
    """How many candidates there may be: contexts of each length, and pairs of contexts."""

    contexts: int = 40
    pairs: int = 60


class Proposer:
    """Proposes rules for one field.

    Args:
        corpus: the field's documents.
        library: names of recognisers with their compiled patterns: those of the home's library and the value types'.
        limits: how many to propose.
    """

    def __init__(self, corpus: FieldCorpus, library: Mapping[str, regex.Pattern[str]], limits: Limits) -> None:
        self._corpus = corpus
        self._library = library
        self._limits = limits

    def propose(self, numbers: Sequence[int]) -> list[Candidate]:
        """Rules made from the documents with these numbers and from nothing else, at most one of a key."""
        valued = [item for number in numbers if (item := self._corpus.documents[number]).occurrences]
        if len(valued) < LEAST_DOCUMENTS:
            return []
        scope = _scope(valued)
        patterns = self._value_patterns(valued)
        made = chain(
            _alone(patterns, valued, self._corpus.spec.type, many=self._corpus.spec.many),
            self._left(patterns, valued),
            self._right(patterns, valued),
            self._pairs(valued),
            self._anchors(patterns, valued),
            _positions(valued),
            lookups(valued, numbers, self._corpus),
        )
        found: dict[str, Candidate] = {}
        for candidate in made:
            keys = dict(candidate.keys)
            if scope is not None:
                keys.setdefault("lines", scope)
            found.setdefault(candidate.key, replace(candidate, keys=keys))
        return list(found.values())

    def _value_patterns(self, valued: Sequence[Labelled]) -> list[ValuePattern]:
        """Patterns that at least half of the values match wholly."""
        texts = [occurrence.text for item in valued for occurrence in item.occurrences]
        kind = self._corpus.spec.type
        found: list[ValuePattern] = []
        if kind != "text":
            found.append(ValuePattern("type", f"{{{{{kind}}}}}", f"a {kind}"))
        for name in self._recognisers(valued, texts):
            found.append(ValuePattern(f"library:{name}", f"{{{{{name}}}}}", f"what {{{{{name}}}}} finds"))
        words = [word for word in vocabulary(valued) if len(word) <= _LONGEST_WORD]
        known = sum(" ".join(text.lower().split()) in set(words) for text in texts)
        if len(words) <= _FEW_WORDS and known >= _LEAST_MATCHED * len(texts):
            found.append(ValuePattern("words", words_pattern(words), f"one of {len(words)} known values"))
        else:
            written = [[occurrence.text for occurrence in item.occurrences] for item in valued]
            pattern = either(shape.pattern for shape in shapes_of(written, LEAST_DOCUMENTS)[:_MOST_SHAPES] or ())
            if 0 < len(pattern) <= MOST_CHARACTERS:
                found.append(ValuePattern("shapes", pattern, "one of the ways in which values are written"))
        if kind == "text":
            single = sum(bool(WORD.fullmatch(text)) for text in texts)
            if 2 * single > len(texts):
                found.append(ValuePattern("word", r"\w+(?:['-]\w+)*", "one word"))
            found.append(ValuePattern("line", r"\S[^\n]*?(?=\s*$)", "the rest of the line"))
        return found

    def _recognisers(self, valued: Sequence[Labelled], texts: Sequence[str]) -> list[str]:
        """Names of the recognisers that match nearly all values, those first that find the least elsewhere."""
        matching = [
            name
            for name, pattern in self._library.items()
            if name != self._corpus.spec.type
            and sum(bool(pattern.fullmatch(text)) for text in texts) >= _LEAST_MATCHED * len(texts)
        ]
        looked_at = [item.document.text[:5000] for item in valued[:_LOOKED_AT]]
        found = {
            name: sum(1 for text in looked_at for _ in self._library[name].finditer(text, timeout=1.0))
            for name in matching
        }
        return sorted(matching, key=lambda name: (found[name], name))[:_MOST_RECOGNISERS]

    def _left(self, patterns: Sequence[ValuePattern], valued: Sequence[Labelled]) -> Iterator[Candidate]:
        for tokens, count in _contexts(valued, _lefts, self._limits.contexts):
            for value in patterns:
                yield Candidate(
                    f"left:{' '.join(tokens)}|{value.name}",
                    {"kind": "pattern", "pattern": f"{left_pattern(tokens)}(?P<value>{value.pattern})"},
                    f"{value.about} behind {_shown(tokens)}",
                    count,
                    family=f"left|{value.name}",
                    part=(left_pattern(tokens), value.pattern),
                )
            if not self._corpus.spec.many and len(tokens) > 1:
                value = patterns[0]
                yield Candidate(
                    f"left:{' '.join(tokens)}|{value.name}|last",
                    {
                        "kind": "pattern",
                        "pattern": f"{left_pattern(tokens)}(?P<value>{value.pattern})",
                        "prefer": "last",
                    },
                    f"{value.about}, the last in the text behind {_shown(tokens)}",
                    count,
                )

    def _right(self, patterns: Sequence[ValuePattern], valued: Sequence[Labelled]) -> Iterator[Candidate]:
        for tokens, count in _contexts(valued, _rights, self._limits.contexts // 2):
            for value in patterns:
                if value.name == "line":
                    continue
                yield Candidate(
                    f"right:{' '.join(tokens)}|{value.name}",
                    {"kind": "pattern", "pattern": f"(?P<value>{value.pattern}){right_pattern(tokens)}"},
                    f"{value.about} before {_shown(tokens)}",
                    count,
                    family=f"right|{value.name}",
                    part=(value.pattern, right_pattern(tokens)),
                )

    def _pairs(self, valued: Sequence[Labelled]) -> Iterator[Candidate]:
        """Any words between two contexts, for texts that follow no pattern."""
        if self._corpus.spec.type != "text":
            return
        longest = max(len(occurrence.text) for item in valued for occurrence in item.occurrences)
        inner = rf"\w[^\n]{{0,{min(longest, 200)}}}?"
        counts: Counter[tuple[Context, Context]] = Counter()
        for item in valued:
            counts.update({pair for occurrence in item.occurrences for pair in _pairs_of(occurrence)})
        chosen = [(pair, count) for pair, count in _steady(counts) if count >= LEAST_DOCUMENTS]
        for (left, right), count in chosen[: self._limits.pairs]:
            yield Candidate(
                f"between:{' '.join(left)}|{' '.join(right)}",
                {"kind": "pattern", "pattern": f"{left_pattern(left)}(?P<value>{inner}){right_pattern(right)}"},
                f"what stands between {_shown(left)} and {_shown(right)}",
                count,
                family="between",
                part=(f"{left_pattern(left)}", f"{right_pattern(right)}"),
            )

    def _anchors(self, patterns: Sequence[ValuePattern], valued: Sequence[Labelled]) -> Iterator[Candidate]:
        """Values somewhere behind a label on its line or on the line below."""
        closed = [value for value in patterns if value.name not in ("line", "word")]
        for tokens, count in _contexts(valued, _aboves, self._limits.contexts // 2):
            for value in closed:
                yield Candidate(
                    f"below:{' '.join(tokens)}|{value.name}",
                    {"kind": "anchor", "label": context_pattern(tokens), "value": value.pattern, "reach": 1},
                    f"{value.about} behind or below {_shown(tokens)}",
                    count,
                    family=f"below|{value.name}",
                    part=(context_pattern(tokens), value.pattern),
                )
        for tokens, count in _contexts(valued, _labels, self._limits.contexts // 2):
            for value in closed:
                yield Candidate(
                    f"label:{' '.join(tokens)}|{value.name}",
                    {"kind": "anchor", "label": context_pattern(tokens), "value": value.pattern},
                    f"{value.about} somewhere behind {_shown(tokens)} on its line",
                    count,
                )


def _scope(valued: Sequence[Labelled]) -> dict[str, int] | None:
    """The first lines, where nearly all values stand in a small part of their documents."""
    reach = upper(min(occurrence.line + occurrence.lines for occurrence in item.occurrences) for item in valued)
    rounded = next((number for number in ROUND if number >= reach), None)
    typical = sorted(item.line_count for item in valued)[len(valued) // 2]
    return {"first": rounded} if rounded is not None and 2 * rounded <= typical else None


def _alone(
    patterns: Sequence[ValuePattern], valued: Sequence[Labelled], kind: str, *, many: bool
) -> Iterator[Candidate]:
    prefers = (
        ("first",) if many else ("first", "last", "frequent", *(("largest",) if kind in ("money", "number") else ()))
    )
    for value in patterns:
        if value.name in ("word", "line"):
            continue
        for prefer in prefers:
            keys: dict[str, Any] = {"kind": "pattern", "pattern": value.pattern}
            if prefer != "first":
                keys["prefer"] = prefer
            which = "" if many else f", the {prefer if prefer != 'frequent' else 'most frequent'} in the text"
            yield Candidate(f"alone:{value.name}|{prefer}", keys, f"{value.about}{which}", len(valued))
    texts = [[occurrence.text for occurrence in item.occurrences] for item in valued]
    for shape in shapes_of(texts, LEAST_DOCUMENTS)[:_MOST_SHAPES]:
        yield Candidate(
            f"shape:{shape.key}",
            {"kind": "pattern", "pattern": shape.pattern},
            f"what is written like the values of {shape.documents} documents",
            shape.documents,
            family="shape",
            part=(shape.pattern, ""),
        )


def _positions(valued: Sequence[Labelled]) -> Iterator[Candidate]:
    """Whole lines by their place."""
    firsts = Counter(occurrence.line for item in valued for occurrence in item.occurrences[:1] if occurrence.whole)
    skipped = _skipped(valued)
    for line, count in firsts.most_common(3):
        if count < LEAST_DOCUMENTS:
            continue
        for skip in filter(None, (None if line else "", skipped)):
            yield Candidate(
                f"position:{line}|skip",
                {"kind": "position", "lines": {"first": line + 1}, "skip": skip},
                f"the first of {line + 1} lines that is not like those which stand over values",
                count,
            )
        if line == 0:
            yield Candidate("position:0", {"kind": "position", "lines": {"first": 1}}, "the first line", count)


def _skipped(valued: Sequence[Labelled]) -> str:
    """A pattern for lines that stand over values and are none: lines without letters, and frequent ones."""
    over: Counter[Context] = Counter()
    for item in valued:
        for occurrence in item.occurrences[:1]:
            if occurrence.whole and occurrence.above:
                over[occurrence.above] += 1
    frequent = [tokens for tokens, count in _steady(over) if count >= LEAST_DOCUMENTS and tokens][:20]
    return either([r"^[\W\d]*$", *(f"^{context_pattern(tokens[:MOST_TOKENS])}" for tokens in frequent)])


def _contexts(
    valued: Sequence[Labelled], contexts_of: Callable[[Occurrence], Iterator[Context]], most: int
) -> list[tuple[Context, int]]:
    """Contexts by the number of documents that have them, the most frequent of each length."""
    counts: Counter[Context] = Counter()
    for item in valued:
        counts.update({tokens for occurrence in item.occurrences for tokens in contexts_of(occurrence)})
    common = Counter(token for tokens, count in counts.items() if count >= LEAST_DOCUMENTS for token in set(tokens))
    # Where a word is one of many, any word may stand there.
    loose: Counter[Context] = Counter()
    for item in valued:
        loose.update(
            {
                generalised
                for occurrence in item.occurrences
                for tokens in contexts_of(occurrence)
                if (generalised := _generalised(tokens, common)) != tokens and _says_something(generalised)
            }
        )
    by_length: Counter[int] = Counter()
    found = []
    for tokens, count in _steady(counts | loose):
        if count < LEAST_DOCUMENTS or not _says_something(tokens):
            continue
        by_length[len(tokens)] += 1
        if by_length[len(tokens)] <= most // 2:
            found.append((tokens, count))
    return found


def _generalised(tokens: Context, common: Counter[str]) -> Context:
    return tuple(token if token in common or not token.isalnum() else ANY_WORD for token in tokens)


def _says_something(tokens: Context) -> bool:
    return any(
        token not in (ANY_WORD, EDGE) and (token.isalnum() or token in ":#$@") for token in tokens
    ) or tokens == (EDGE,)


def _steady(counts: Counter[Any]) -> list[tuple[Any, int]]:
    """The most frequent first; equals in an order that does not depend on the order of counting."""
    return sorted(counts.items(), key=lambda item: (-item[1], repr(item[0])))


def _lefts(occurrence: Occurrence) -> Iterator[Context]:
    left = occurrence.left
    for length in range(1, min(MOST_TOKENS, len(left)) + 1):
        yield left[-length:]


def _rights(occurrence: Occurrence) -> Iterator[Context]:
    right = occurrence.right
    for length in range(1, min(3, len(right)) + 1):
        yield right[:length]


def _pairs_of(occurrence: Occurrence) -> Iterator[tuple[Context, Context]]:
    for left in (occurrence.left[-length:] for length in range(1, min(3, len(occurrence.left)) + 1)):
        for right in (occurrence.right[:length] for length in range(1, min(2, len(occurrence.right)) + 1)):
            if _says_something(left) or _says_something(right):
                yield left, right


def _aboves(occurrence: Occurrence) -> Iterator[Context]:
    for length in range(1, min(3, len(occurrence.above)) + 1):
        yield occurrence.above[-length:]
    if 1 <= len(occurrence.above) <= MOST_TOKENS:
        yield (EDGE, *occurrence.above, EDGE)
        yield (EDGE, *occurrence.above)


def _labels(occurrence: Occurrence) -> Iterator[Context]:
    left = tuple(token for token in occurrence.left[:-1] if token != EDGE)
    for place in range(len(left)):
        for length in (1, 2):
            if left[place : place + length]:
                yield left[place : place + length]


def _shown(tokens: Context) -> str:
    words = {EDGE: "the line's edge", ANY_WORD: "any word", "\\d": "a number"}
    plain = [words.get(token, token) for token in tokens]
    return '"' + " ".join(plain) + '"'
