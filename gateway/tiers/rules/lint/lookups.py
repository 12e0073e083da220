"""Linting lookup files: missing, malformed, with entries that stand twice or are no values of the type."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from gateway.tiers.rules.compiling import Lookup
from gateway.tiers.rules.lint.findings import Place, Report
from gateway.tiers.rules.lint.reading import read_text
from gateway.tiers.rules.loading import read_lookup
from gateway.tiers.rules.table import fold
from gateway.tiers.rules.yamlfile import MAX_FILE_BYTES
from gateway.values import ValueOptions, ValueType, canonical

#: More findings of one kind in one file say nothing new.
_MOST_ENTRIES = 20


class LookupChecks:
    """Reads each lookup file once, and remembers which were used."""

    def __init__(self, directory: Path, report: Report, options: ValueOptions) -> None:
        self._directory = directory
        self._report = report
        self._options = options
        self._read: dict[str, Lookup | None] = {}
        self._typed: set[tuple[str, ValueType]] = set()

    def open(self, name: str, place: Place, kind: ValueType) -> Lookup | None:
        """The file that a rule names at ``place``; ``None`` where it cannot be used."""
        path = self._directory / name
        if name not in self._read:
            self._read[name] = self._open(path, place)
        lookup = self._read[name]
        if lookup is not None and (name, kind) not in self._typed:
            self._typed.add((name, kind))
            self._check_values(path, lookup, kind)
        return lookup

    def _open(self, path: Path, place: Place) -> Lookup | None:
        if not path.exists():
            self._report.at("R060", place, f"there is no file {path.name} beside the rule file")
            return None
        text = read_text(path, self._report, MAX_FILE_BYTES)
        if text is None:
            return None
        try:
            lookup = read_lookup(path.name, text)
        except ValueError as error:
            line = _line_of(str(error))
            self._report.add("R061", path, str(error), line)
            return None
        if not lookup.entries:
            self._report.add("R065", path, "holds no entry")
        seen: dict[str, int] = {}
        twice = 0
        for line, entry in _rows(path.name, text):
            first = seen.setdefault(fold(entry), line)
            if first != line and (twice := twice + 1) <= _MOST_ENTRIES:
                self._report.add("R062", path, f"{entry[:60]!r} stands on line {first} already", line)
        return lookup

    def _check_values(self, path: Path, lookup: Lookup, kind: ValueType) -> None:
        if kind == "text":
            return
        wrong = [value for _, value in lookup.entries if canonical(kind, value, options=self._options) is None]
        for value in wrong[:_MOST_ENTRIES]:
            self._report.add("R063", path, f"{value[:60]!r} is no {kind}")

    def unused(self) -> None:
        """Findings for lookup files that no rule names."""
        for path in sorted((*self._directory.glob("*.csv"), *self._directory.glob("*.txt"))):
            if path.name not in self._read:
                self._report.add("R064", path, "no rule of this task names this file")


def _rows(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Line number and text of every entry of a file that has been read without error."""
    if name.endswith(".txt"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.strip().startswith("#"):
                yield number, line.strip()
        return
    reader = csv.DictReader(io.StringIO(text), strict=True)
    for row in reader:
        yield reader.line_num, row["text"] or ""


def _line_of(message: str) -> int:
    """The line that the message of :func:`read_lookup` begins with."""
    word, _, rest = message.partition(" ")
    number = rest.partition(":")[0]
    return int(number) if word == "line" and number.isdigit() else 1
