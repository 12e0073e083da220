"""Filters: documents that no tier needs to read, told from the text alone.

A filtered document is answered early, with every field in review, and costs nothing. Where a filter is in doubt, or its
patterns run out of time, the document is let through.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.tiers.rules.filter_schema import (
    Filter,
    FilterExample,
    FiltersFile,
    LanguageFilter,
    LengthFilter,
    ScopeFilter,
    WordsFilter,
)
from gateway.tiers.rules.languages import foreign_language
from gateway.tiers.rules.patterns import Compiled, PatternProblem, compile_pattern, expand, located
from gateway.tiers.rules.schema import Lines
from gateway.tiers.rules.text import Text

#: The reason that answers give for a filtered document.
REASON = "filtered"
#: Seconds of processor time all filters together may spend on one document.
TIME_LIMIT = 0.005


@dataclass(frozen=True)
class FilterHit:
    """Which filter keeps a document from being extracted from, and why. ``reason`` is always ``filtered``."""

    filter: str
    kind: str
    message: str
    reason: str = REASON


#: Seconds that are left.
_Left = Callable[[], float]


class _Check(Protocol):
    def __call__(self, text: Text, left: _Left) -> str | None:
        """Why a document is filtered; ``None`` where it is not.

        Raises:
            TimeoutError: the time is up.
        """
        ...


@dataclass(frozen=True)
class CompiledFilter:
    """A filter ready to run; ``source`` is ``filters/<id>``."""

    source: str
    kind: str
    check: _Check
    examples: tuple[FilterExample, ...] = ()


@dataclass(frozen=True)
class FilterSet:
    """A task's filters in the order of the file; ``digest`` changes when they do something else."""

    filters: tuple[CompiledFilter, ...] = ()
    digest: str = f"sha256:{hashlib.sha256(b'').hexdigest()}"

    def check(self, text: str, *, seconds: float = TIME_LIMIT) -> FilterHit | None:
        """The first filter that keeps ``text`` from being extracted from; ``None`` lets it through."""
        return self.check_text(Text(text), seconds=seconds) if self.filters else None

    def check_text(
        self, text: Text, *, seconds: float = TIME_LIMIT, timed_out: Callable[[str], None] | None = None
    ) -> FilterHit | None:
        """As :meth:`check`. ``timed_out`` is told of filters that ran out of time; they let the document through."""
        deadline = time.thread_time() + seconds

        def left() -> float:
            remaining = deadline - time.thread_time()
            if remaining <= 0:
                raise TimeoutError
            return remaining

        for item in self.filters:
            try:
                message = item.check(text, left)
            except TimeoutError:
                if timed_out is not None:
                    timed_out(item.source)
                continue
            if message is not None:
                return FilterHit(item.source.partition("/")[2], item.kind, message)
        return None


@dataclass(frozen=True)
class _Length:
    spec: LengthFilter

    def __call__(self, text: Text, left: _Left) -> str | None:
        words = text.text.split()
        chars = sum(map(len, words))
        lines = sum(1 for start, end in zip(text.starts, text.ends, strict=True) if text.text[start:end].strip())
        for found, least, what in (
            (chars, self.spec.min_chars, "characters"),
            (len(words), self.spec.min_words, "words"),
            (lines, self.spec.min_lines, "lines"),
        ):
            if least is not None and found < least:
                return f"too short: {found} {what}, at least {least} are wanted"
        # What is beyond the part that rules read counts with its white space.
        chars += text.length - len(text.text)
        if self.spec.max_chars is not None and chars > self.spec.max_chars:
            return f"too long: {chars} characters, at most {self.spec.max_chars} are wanted"
        return None


@dataclass(frozen=True)
class _Scope:
    pattern: Compiled
    lines: Lines | None

    def __call__(self, text: Text, left: _Left) -> str | None:
        match = self.pattern.search(text.text, *text.region(self.lines), timeout=left())
        if match is None:
            return None
        return f"out of scope: {match[0][:60]!r} on line {text.line_at(match.start()) + 1}"


@dataclass(frozen=True)
class _Words:
    patterns: tuple[Compiled, ...]
    least: int

    def __call__(self, text: Text, left: _Left) -> str | None:
        found = 0
        for pattern in self.patterns:
            found += pattern.search(text.text, timeout=left()) is not None
            if found >= self.least:
                return None
        return f"unlike the task's documents: {found} of {len(self.patterns)} signs found, {self.least} are wanted"


@dataclass(frozen=True)
class _Language:
    languages: frozenset[str] | None
    script: str | None
    letters: Compiled
    least: float

    def __call__(self, text: Text, left: _Left) -> str | None:
        if self.script is not None:
            total = sum(1 for char in text.text if char.isalpha())
            own = sum(map(len, self.letters.findall(text.text, timeout=left())))
            if total and own / total < self.least:
                return f"another script: {own} of {total} letters are {self.script}"
        if self.languages is not None:
            left()
            other = foreign_language(text.text, self.languages)
            if other is not None:
                return f"another language: {other}"
        return None


def compile_filter(spec: Filter, library: Mapping[str, str]) -> tuple[CompiledFilter, str]:
    """A filter and the digest of what it does.

    Raises:
        PatternProblem: naming the filter and the key.
    """
    closure = [spec.model_dump_json(exclude={"description", "examples"})]

    def compiled(key: str, source: str) -> Compiled:
        try:
            expanded = expand(source, library)
            closure.append(expanded)
            return compile_pattern(expanded)
        except PatternProblem as error:
            raise PatternProblem(error.kind, f"filter {spec.id}: {key}: {located(error, source, library)}") from error

    check: _Check
    match spec:
        case LengthFilter():
            check = _Length(spec)
        case ScopeFilter():
            check = _Scope(compiled("pattern", spec.pattern), spec.lines)
        case WordsFilter():
            patterns = [compiled(f"any_of.{number}", source) for number, source in enumerate(spec.any_of)]
            check = _Words(tuple(patterns), spec.least)
        case LanguageFilter():
            letters = compiled("script", rf"(?:(?=\p{{L}})\p{{{spec.script}}})+" if spec.script else r"\p{L}+")
            languages = frozenset[str](spec.languages) if spec.languages is not None else None
            check = _Language(languages, spec.script, letters, spec.least)
    digest = hashlib.sha256("\0".join(closure).encode("utf-8", "surrogatepass")).hexdigest()
    return CompiledFilter(f"filters/{spec.id}", spec.kind, check, tuple(spec.examples)), digest


def compile_filters(file: FiltersFile, library: Mapping[str, str]) -> FilterSet:
    """The filters of a task.

    Raises:
        PatternProblem: naming the filter and the key; also where an id stands twice.
    """
    compiled: list[CompiledFilter] = []
    total = hashlib.sha256()
    for spec in file.filters:
        item, digest = compile_filter(spec, library)
        if any(other.source == item.source for other in compiled):
            raise PatternProblem("duplicate", f"filter {spec.id}: id: stands twice")
        compiled.append(item)
        total.update(digest.encode())
    return FilterSet(tuple(compiled), f"sha256:{total.hexdigest()}")
