"""Labels that cannot be right, or that contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import regex

from gateway.errors import DatasetError
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values
from gateway.task import FieldSpec, TaskSpec
from gateway.values import PATTERNS, ValueOptions, ValueType, canonical, equal
from training.data.align import find_value
from training.data.check.codes import Findings
from training.data.check.fields import values_of
from training.data.check.value_types import is_value

#: Types whose recognisers find little else, so that the only value of a text is evidence.
_TELLING: frozenset[ValueType] = frozenset({"date", "email", "iban", "url", "phone", "guid"})
#: Characters of a text in which recognisers look for another value.
_LOOKED_AT = 20_000


class LabelChecks:
    """Looks at one document after the other and keeps what is wrong; :meth:`report` makes findings of it."""

    def __init__(self, task: TaskSpec) -> None:
        self._task = task
        self._missing: dict[str, list[str]] = defaultdict(list)
        self._uncovered: dict[str, list[str]] = defaultdict(list)
        self._counts: dict[str, list[str]] = defaultdict(list)
        self._unread: dict[str, list[str]] = defaultdict(list)
        self._several: dict[str, list[str]] = defaultdict(list)
        self._disagree: dict[str, list[str]] = defaultdict(list)
        self.values: dict[str, int] = defaultdict(int)
        self.not_found: dict[str, int] = defaultdict(int)
        self._patterns: dict[ValueType, regex.Pattern[str]] = {}

    def look(self, document: LabelledDocument) -> None:
        """Check the labels and spans of one document."""
        for name, spec in self._task.fields.items():
            values = values_of(document, name)
            if len(values) > 1 and not spec.many:
                self._several[name].append(f"{document.id}: {len(values)} values")
            spans = document.spans.get(name, [])
            if spans and document.labels.get(name) is not None:
                self._check_spans(document, spec, values, spans)
            for value in values:
                self.values[name] += 1
                self._check_value(document, spec, value, bool(spans))
            if len(values) == 1 and spec.type in _TELLING:
                self._check_only_value(document, spec, values[0])

    def _check_spans(
        self, document: LabelledDocument, spec: FieldSpec, values: Sequence[str], spans: Sequence[tuple[int, int]]
    ) -> None:
        if len(spans) != len(values):
            self._counts[spec.name].append(f"{document.id}: {len(spans)} spans, {len(values)} values")
            # Mentions and clauses are spans too: without one for each value nothing says which belongs to which.
            return
        texts = [document.text[start:end] for start, end in spans]
        options = self._task.options
        for value in values:
            if not any(text == value or equal(spec.type, text, value, options=options) for text in texts):
                self._uncovered[spec.name].append(f"{document.id}: {value[:60]!r}, the spans hold {texts[0][:60]!r}")

    def _check_value(self, document: LabelledDocument, spec: FieldSpec, value: str, has_spans: bool) -> None:
        options = self._task.options
        if spec.type != "text" and not is_value(spec.type, value, options):
            self._unread[spec.name].append(f"{document.id}: {value[:60]!r}")
        if has_spans:
            return
        _, how = find_value(document.text, value, spec.type, options=options)
        if how == "missing":
            self.not_found[spec.name] += 1
            self._missing[spec.name].append(f"{document.id}: {value[:60]!r}")

    def _check_only_value(self, document: LabelledDocument, spec: FieldSpec, value: str) -> None:
        wanted = canonical(spec.type, value, options=self._task.options)
        if wanted is None or len(document.text) > _LOOKED_AT:
            return
        found = values_in(document.text, spec.type, self._task.options)
        if len(found) == 1 and wanted not in found:
            [only] = found
            self._disagree[spec.name].append(f"{document.id}: labelled {value[:40]!r}, the text has only {only!r}")

    def report(self, findings: Findings) -> None:
        """Findings for everything kept."""
        kept: list[tuple[str, dict[str, list[str]], str]] = [
            ("D040", self._missing, "values are not found in their text"),
            ("D041", self._uncovered, "spans do not hold the value that the label says"),
            ("D042", self._counts, "documents have more or fewer spans than values"),
            ("D043", self._unread, "values are not of the type"),
            ("D044", self._several, "documents have several values of a single field"),
            ("D045", self._disagree, "labels disagree with the only such value in the text"),
        ]
        for code, places, message in kept:
            for name, examples in places.items():
                kind = f" {self._task.fields[name].type}" if code == "D043" else ""
                of = f" of {self.values[name]}" if code in ("D040", "D043") else ""
                findings.add(code, f"{len(examples)}{of} {message}{kind}", field=name, examples=examples)


def values_in(text: str, kind: ValueType, options: ValueOptions) -> set[str]:
    """The different values of a type that its recogniser finds in a text, in canonical form."""
    pattern = regex.compile(PATTERNS[kind], regex.IGNORECASE | regex.MULTILINE)
    read = (canonical(kind, match[0], options=options) for match in pattern.finditer(text))
    return {value for value in read if value is not None}


def contradictions(documents: Sequence[LabelledDocument], task: TaskSpec, findings: Findings) -> None:
    """Findings for documents with the same text whose labels differ: with the same context, and only without it."""
    groups: dict[str, list[LabelledDocument]] = defaultdict(list)
    for document in documents:
        groups[document.text].append(document)
    repeated = [group for group in groups.values() if len(group) > 1]
    for name, spec in task.fields.items():
        real: list[str] = []
        settled: list[str] = []
        for group in repeated:
            labels = {document.id: _label(task, document, spec) for document in group}
            if len(set(labels.values()) - {None}) < 2:
                continue
            in_context: dict[str, set[tuple[str, ...] | None]] = defaultdict(set)
            for document in group:
                in_context[repr(document.extra.get("context"))].add(labels[document.id])
            doubtful = any(len(found - {None}) > 1 for found in in_context.values())
            place = f"{group[0].text[:60]!r} ({', '.join(document.id for document in group[:3])})"
            (real if doubtful else settled).append(place)
        if real:
            findings.add("D022", f"{len(real)} texts have different labels", field=name, examples=real)
        if settled:
            message = f"{len(settled)} texts have labels that only their context tells apart"
            findings.add("D023", message, field=name, examples=settled)


def _label(task: TaskSpec, document: LabelledDocument, spec: FieldSpec) -> tuple[str, ...] | None:
    try:
        values = expected_values(task, document, spec.name)
    except DatasetError:  # several values of a single field: said already
        return None
    if values is None:
        return None
    return tuple(sorted(canonical(spec.type, value, options=task.options) or value.casefold() for value in values))
