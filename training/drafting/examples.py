"""Inline examples for drafted rules, out of the training documents: what a rule answers, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rapidfuzz import fuzz

from gateway.tiers.rules.budget import Budget, TimeLimits
from gateway.tiers.rules.candidates import candidates_of
from gateway.tiers.rules.compiling import CompiledRule
from gateway.tiers.rules.schema import Example, LookupRule
from gateway.tiers.rules.text import Text
from gateway.values import canonical, fold_text
from training.drafting.occurrences import FieldCorpus, Labelled, Occurrence

#: An example is short enough to be read.
_MOST_CHARACTERS = 320
_MOST_TRIED = 80
_POSITIVES = 2
_NEGATIVES = 1
#: So many lines of other documents are compared with an example to find one that is like it.
_LINES_COMPARED = 400
_LIMITS = TimeLimits(document=3600.0)


def answer(rule: CompiledRule, corpus: FieldCorpus, text: str) -> str | None:
    """The normalised first value that a rule finds in a text; ``None`` where it finds nothing."""
    if rule.finder is None:
        return None
    scanned, budget = Text(text), Budget(_LIMITS)
    budget.begin_rule()
    try:
        found = candidates_of(rule, list(rule.finder.find(scanned, budget)), scanned, corpus.task.options, budget)
    except TimeoutError:
        return None
    return found[0].normalised if found else None


def examples_for(rule: CompiledRule, before: Sequence[CompiledRule], corpus: FieldCorpus) -> list[Example]:
    """Texts that the rule answers, and one much like them that it leaves alone.

    The first text is one that no rule ``before`` it answers alike, so that it shows what the rule is for; where there
    is none, nothing is returned: the rule adds nothing to those before it. Of a ``many`` field any text will do.
    """
    spoken_for = [other for other in before if not isinstance(other.spec, LookupRule)] if not corpus.spec.many else []
    shown: list[Example] = []
    shadows = list(spoken_for)
    tried = 0
    for item in corpus.documents:
        if tried >= _MOST_TRIED or len(shown) >= _POSITIVES:
            break
        if not item.occurrences or answer(rule, corpus, item.document.text) not in (item.wanted or ()):
            continue
        tried += 1
        example = _positive(rule, item, corpus)
        if example is None or any(example.text == other.text for other in shown):
            continue
        left = [other for other in shadows if answer(other, corpus, example.text) == _form(corpus, example.value or "")]
        if not shown and left and tried < _MOST_TRIED:
            continue
        shadows = left
        shown.append(example)
    if not shown or shadows:
        return []
    return [*shown, *_negatives(rule, shown[0].text, corpus)]


def _form(corpus: FieldCorpus, value: str) -> str:
    return canonical(corpus.spec.type, value, options=corpus.task.options) or fold_text(value)


def _positive(rule: CompiledRule, item: Labelled, corpus: FieldCorpus) -> Example | None:
    """The shortest stretch of lines around a value in which the rule finds it."""
    forms = {_form(corpus, value): value for value in item.values}
    for occurrence in item.occurrences:
        for text in _stretches(item.document.text, occurrence):
            found = answer(rule, corpus, text)
            value = forms.get(found) if found is not None else None
            if value is not None and canonical(corpus.spec.type, value, options=corpus.task.options) is not None:
                return Example(text=text, value=" ".join(value.split()))
    return None


def _stretches(text: str, occurrence: Occurrence) -> Iterator[str]:
    lines = Text(text).text.split("\n")
    first, behind = occurrence.line, occurrence.line + occurrence.lines
    edges = [
        (first, behind),
        (first - 1, behind),
        (first - 2, behind),
        (first - 2, behind + 1),
        (0, behind),
        (0, behind + 2),
    ]
    for start, end in edges:
        stretch = "\n".join(lines[max(0, start) : end]).strip()
        if len(stretch) <= _MOST_CHARACTERS and _readable(stretch):
            yield stretch
    # A long line is cut at words around the value.
    line = "\n".join(lines[first:behind])
    start = occurrence.span[0] - sum(len(above) + 1 for above in lines[:first])
    end = start + len(occurrence.text)
    for reach in (40, 80, 140):
        left = line.rfind(" ", 0, max(0, start - reach)) + 1
        right = line.find(" ", min(len(line), end + reach))
        stretch = line[left : right if right >= 0 else len(line)].strip()
        if len(stretch) <= _MOST_CHARACTERS and _readable(stretch):
            yield stretch


def _readable(text: str) -> bool:
    return bool(text.strip()) and all(char.isprintable() or char == "\n" for char in text)


def _negatives(rule: CompiledRule, like: str, corpus: FieldCorpus) -> list[Example]:
    lines: dict[str, None] = {}
    for item in corpus.documents:
        for line in item.document.text.split("\n"):
            if 3 <= len(line.strip()) <= _MOST_CHARACTERS // 2 and _readable(line):
                lines.setdefault(line.strip())
        if len(lines) >= _LINES_COMPARED:
            break
    ranked = sorted(lines, key=lambda line: (-fuzz.token_set_ratio(line.casefold(), like.casefold()), line))
    found: list[Example] = []
    for line in ranked[:_MOST_TRIED]:
        if len(found) >= _NEGATIVES:
            break
        if answer(rule, corpus, line) is None:
            found.append(Example(text=line, value=None))
    return found
