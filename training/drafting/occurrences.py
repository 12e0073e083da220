"""Labelled values in their texts: what stands before, behind and above each, counted by document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import regex

from gateway.document import Span
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules.scope import MAX_VALUE_CHARS
from gateway.tiers.rules.text import Text
from gateway.values import canonical, fold_text
from training.data.align import find_value

_TOKEN = regex.compile(r"\w+|[^\w\s]")
_WORD = regex.compile(r"\w\w")
#: Contexts of so many words and signs.
MOST_TOKENS = 5
#: What stands for a number, and for the end of a line, in contexts.
NUMBER = "\\d"
EDGE = "\n"

Context = tuple[str, ...]


@dataclass(frozen=True)
class Occurrence:
    """One place of a value.

    ``left`` holds the words and signs before it on its line, the nearest last, behind :data:`EDGE` where the line
    begins; ``right`` those behind it. ``above`` is the line over it. ``line`` counts from 0, ``lines`` are how many
    it spans; ``whole`` says that it takes all of them.
    """

    span: Span
    text: str
    left: Context
    right: Context
    above: Context
    line: int
    lines: int
    whole: bool


@dataclass(frozen=True)
class Labelled:
    """A document as drafting sees it for one field: what it should give, and where that stands.

    ``wanted`` are the normalised values, ``None`` where the field is not annotated.
    """

    document: LabelledDocument
    wanted: frozenset[str] | None
    values: tuple[str, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()
    line_count: int = 1


@dataclass
class FieldCorpus:
    """All training documents from one field's point of view."""

    spec: FieldSpec
    task: TaskSpec
    documents: list[Labelled] = field(default_factory=list)

    @property
    def annotated(self) -> list[int]:
        """Numbers of the documents in which the field is annotated."""
        return [number for number, item in enumerate(self.documents) if item.wanted is not None]


def tokens_of(text: str) -> Context:
    """Words and signs of a stretch of text: letters small, any number as :data:`NUMBER`."""
    return tuple(NUMBER if token.isdecimal() else token.lower() for token in _TOKEN.findall(text))


def field_corpus(documents: Sequence[LabelledDocument], task: TaskSpec, name: str) -> FieldCorpus:
    """Align a field's labels with the texts and note the contexts.

    Raises:
        DatasetError: several values for a field that is not ``many``.
    """
    spec = task.fields[name]
    corpus = FieldCorpus(spec, task)
    for document in documents:
        expected = expected_values(task, document, name)
        if expected is None:
            corpus.documents.append(Labelled(document, None))
            continue
        wanted = frozenset(canonical(spec.type, value, options=task.options) or fold_text(value) for value in expected)
        spans = list(document.spans.get(name, []))
        if not spans:
            spans = [
                span
                for value in expected
                for span in find_value(document.text, value, spec.type, options=task.options)[0]
            ]
        text = Text(document.text)
        found = [_occurrence(text, span) for span in spans if span[1] <= len(text.text)]
        kept = tuple(item for item in found if item is not None)
        corpus.documents.append(Labelled(document, wanted, tuple(expected), kept, len(text.starts)))
    return corpus


def _joins(left: str, right: str) -> bool:
    return bool(_WORD.fullmatch(left + right)) if left and right else False


def _occurrence(text: Text, span: Span) -> Occurrence | None:
    start, end = span
    if end - start > MAX_VALUE_CHARS or not text.text[start:end].strip():
        return None
    first, last = text.line_at(start), text.line_at(end - 1)
    # Of a long line, what is near says enough.
    before = text.text[max(text.starts[first], start - 200) : start]
    behind = text.text[end : min(text.ends[last], end + 200)]
    # A value that is part of a word has no context on that side.
    left = () if _joins(before[-1:], text.text[start]) else tokens_of(before)
    right = () if _joins(text.text[end - 1], behind[:1]) else tokens_of(behind)
    if start - len(before) == text.starts[first] and (left or not before.strip()):
        left = (EDGE, *left)
    if end + len(behind) == text.ends[last] and (right or not behind.strip()):
        right = (*right, EDGE)
    above = next(
        (
            tokens_of(text.line(number))
            for number in range(first - 1, max(-1, first - 3), -1)
            if text.line(number).strip()
        ),
        (),
    )
    whole = not before.strip() and not behind.strip()
    return Occurrence(
        span, text.text[start:end], left[-MOST_TOKENS - 1 :], right[:MOST_TOKENS], above, first, last - first + 1, whole
    )
