"""Linting the shared library, and the patterns of rules that use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gateway.tiers.rules.compiling import BUILT_IN
from gateway.tiers.rules.lint.clock import Clock
from gateway.tiers.rules.lint.findings import Place, Report
from gateway.tiers.rules.lint.hazards import hazards, loose_errors
from gateway.tiers.rules.lint.probing import Prober
from gateway.tiers.rules.lint.reading import read_as, read_yaml
from gateway.tiers.rules.patterns import Compiled, PatternProblem, compile_pattern, expand
from gateway.tiers.rules.schema import LibraryFile, Recogniser, RuleBase
from gateway.tiers.rules.syntax import Node, TooDeep, parse_pattern

_CODES = {
    "unknown-name": "R024",
    "circle": "R026",
    "too-long": "R033",
    "too-large": "R033",
    "syntax": "R030",
    "duplicate": "R020",
}
_LIBRARY: TypeAdapter[Any] = TypeAdapter(LibraryFile)
_RECOGNISER: TypeAdapter[Any] = TypeAdapter(Recogniser)


def read_library(directory: Path, report: Report) -> dict[str, str]:
    """All names that rules may use, with the built-in ones; what is wrong with the files becomes findings."""
    own: dict[str, str] = {}
    for path in sorted(directory.glob("*.yaml")):
        place = read_yaml(path, report)
        if place is None:
            continue
        raw = place.yaml.value
        recognisers = raw.get("recognisers") if isinstance(raw, dict) else None
        if not isinstance(recognisers, dict):
            read_as(_LIBRARY, raw, place, report)
            continue
        read_as(_LIBRARY, {**raw, "recognisers": {}}, place, report)
        for name, item in recognisers.items():
            inside = place.at("recognisers", str(name))
            recogniser = read_as(_RECOGNISER, item, inside, report)
            if not isinstance(name, str):
                report.at("R013", inside, f"the name {name!r} must be a text", key=True)
            elif name in own:
                report.at("R025", inside, f"recogniser {name!r} is there already", key=True)
            elif recogniser is not None:
                own[name] = recogniser.pattern
    return {**BUILT_IN, **own}


def read_parts(source: str, library: dict[str, str]) -> tuple[Compiled, Node]:
    """A pattern compiled, and its structure.

    Raises:
        PatternProblem: it cannot be used.
    """
    expanded = expand(source, library)
    compiled = compile_pattern(expanded)
    try:
        return compiled, parse_pattern(expanded)
    except TooDeep as error:
        raise PatternProblem("too-large", str(error)) from error


class PatternChecks:
    """Checks patterns; what is wrong inside a recogniser is said once, where the recogniser stands."""

    def __init__(self, library: dict[str, str], report: Report, clock: Clock) -> None:
        self._clock = clock
        self._library = library
        self._report = report
        self._prober = Prober()
        self._said: set[Node] = set()

    def library(self, directory: Path) -> None:
        """Every recogniser, whether a rule uses it or not."""
        quiet = Report()
        for path in sorted(directory.glob("*.yaml")):
            place = read_yaml(path, quiet)
            raw = place.yaml.value if place else None
            if place is None or not isinstance(raw, dict) or not isinstance(raw.get("recognisers"), dict):
                continue
            for name, item in raw["recognisers"].items():
                if self._clock.up:
                    return
                if isinstance(item, dict) and self._library.get(name) == item.get("pattern"):
                    self.check(item["pattern"], place.at("recognisers", name, "pattern"))

    def check(self, source: str, place: Place) -> Compiled | None:
        """One pattern, which stands at ``place``; ``None`` where it cannot be used."""
        try:
            compiled, node = read_parts(source, self._library)
        except PatternProblem as error:
            self._report.at(_CODES[error.kind], place, f"{'.'.join(map(str, place.path[-1:]))}: {error}")
            return None
        self._clock.count(len(compiled.pattern))
        for message in loose_errors(node):
            self._report.at("R034", place, message)
        suspicions = [item for item in hazards(node) if item.part not in self._said]
        probe = self._prober.probe(compiled, node, suspicions)
        if probe.runs_away_on is not None:
            why = f"; {probe.kept[0].message}" if probe.kept else ""
            self._report.at("R031", place, f"runs away on a text of {probe.runs_away_on}{why}")
        else:
            for item in probe.kept:
                self._report.at("R032", place, f"{item.message}, such as many times {item.pump!r}")
        if self._prober.exhausted:
            self._report.at("R036", place, "was not probed: the time for probing is up")
        self._said.update(item.part for item in suspicions)
        return compiled


_SINGLE = ("pattern", "label", "value", "between", "skip", "start", "until", "stop", "contain", "cut", "amount")


def patterns_of(rule: RuleBase) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where in a rule patterns stand, and what they are. Defaults, which no file states, are left out."""
    for key in (*_SINGLE, "after", "before"):
        value = getattr(rule, key, None)
        if key in rule.model_fields_set and isinstance(value, str):
            yield (key,), value
    for key in ("require", "forbid"):
        context = getattr(rule, key)
        for where in sorted(context.model_fields_set):
            value = getattr(context, where)
            if value is not None:
                yield (key, where), value
    for number, replacement in enumerate(rule.replace):
        yield ("replace", number, "pattern"), replacement.pattern
    if rule.validation.pattern is not None:
        yield ("validate", "pattern"), rule.validation.pattern
