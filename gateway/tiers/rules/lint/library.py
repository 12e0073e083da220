"""Linting the shared library, and the patterns of rules that use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import regex
from pydantic import TypeAdapter

from gateway.tiers.rules.compiling import BUILT_IN
from gateway.tiers.rules.lint.clock import Clock
from gateway.tiers.rules.lint.findings import Place, Report
from gateway.tiers.rules.lint.memory import PatternFacts, PatternMemory
from gateway.tiers.rules.lint.probing import Probe, Prober
from gateway.tiers.rules.lint.reading import read_as, read_yaml
from gateway.tiers.rules.patterns import Compiled, PatternProblem, expand, located, names_in
from gateway.tiers.rules.schema import LibraryFile, Recogniser, RuleBase
from gateway.tiers.rules.syntax import Node

_CODES = {
    "unknown-name": "R024",
    "circle": "R026",
    "too-long": "R033",
    "too-large": "R033",
    "syntax": "R030",
    "duplicate": "R020",
}
#: Recognisers name each other five deep at most (R026): following them further says nothing new.
_MOST_NAMED = 10
#: No text that rules read has these; line feeds, carriage returns and tabs it may have.
_CONTROL = regex.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPES = {
    "\a": ("bell", r"\a"),
    "\b": ("backspace", r"\b"),
    "\v": ("vertical tab", r"\v"),
    "\f": ("form feed", r"\f"),
    "\x1b": ("escape", r"\e"),
}
_LIBRARY: TypeAdapter[Any] = TypeAdapter(LibraryFile)
_RECOGNISER: TypeAdapter[Any] = TypeAdapter(Recogniser)


class Library(NamedTuple):
    """All names that rules may use, with the built-in ones, and where the patterns of a library's own stand.

    ``lost`` are names that a file has but without a pattern that can be read; ``whole`` is false where a file could not
    be read at all, so that nobody knows which names it has.
    """

    names: dict[str, str]
    places: dict[str, Place]
    lost: frozenset[str] = frozenset()
    whole: bool = True


def read_library(directory: Path, report: Report) -> Library:
    """The shared library; what is wrong with its files becomes findings."""
    own: dict[str, str] = {}
    places: dict[str, Place] = {}
    lost: set[str] = set()
    whole = True
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".yaml") if directory.exists() else []
    except OSError as error:
        report.add("R001", directory, f"cannot be read: {error.strerror}")
        paths, whole = [], False
    for path in paths:
        place = read_yaml(path, report)
        if place is None:
            whole = False
            continue
        raw = place.yaml.value
        recognisers = raw.get("recognisers") if isinstance(raw, dict) else None
        if not isinstance(recognisers, dict):
            read_as(_LIBRARY, raw, place, report)
            whole = False
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
                places[name] = inside.at("pattern")
            else:
                lost.add(name)
    return Library({**BUILT_IN, **own}, places, frozenset(lost), whole)


class PatternChecks:
    """Checks patterns; what is wrong inside a recogniser is said once, where the recogniser stands: patterns that use
    it cannot be used either, and nothing more is said of them."""

    def __init__(self, library: Library, report: Report, clock: Clock, memory: PatternMemory | None = None) -> None:
        self._clock = clock
        self._library = library.names
        self._whole = library.whole
        #: Recognisers that are known to be of no use.
        self._useless: set[str] = set(library.lost)
        self._report = report
        self._prober = Prober()
        self._memory = PatternMemory() if memory is None else memory
        self._said: set[Node] = set()

    def library(self, places: Mapping[str, Place]) -> None:
        """Every recogniser, whether a rule uses it or not, after those that it names."""
        seen: set[str] = set()

        def check(name: str, depth: int = 0) -> None:
            if name in seen or name not in places or depth > _MOST_NAMED:
                return
            seen.add(name)
            for other in names_in(self._library[name]):
                check(other, depth + 1)
            if not self._clock.up and self.check(self._library[name], places[name]) is None:
                self._useless.add(name)

        for name in places:
            check(name)

    @property
    def flawed(self) -> bool:
        """Whether something has been said of the library that keeps patterns from being used."""
        return bool(self._useless) or not self._whole

    def excused(self, source: str) -> bool:
        """Whether a pattern cannot be used for want of a recogniser of which something has been said already."""
        names = names_in(source)
        return any(name in self._useless or (not self._whole and name not in self._library) for name in names)

    def compiled(self, expanded: str) -> Compiled:
        """A pattern with the library's names filled in, compiled.

        Raises:
            PatternProblem: it cannot be used.
        """
        return self._memory.compiled(expanded)

    def check(self, source: str, place: Place) -> Compiled | None:
        """One pattern, which stands at ``place``; ``None`` where it cannot be used."""
        control = _CONTROL.search(source)
        if control is not None:
            name, escape = _ESCAPES.get(control[0], (f"U+{ord(control[0]):04X}", ""))
            read = f", which is what {escape} is in double quotes" if escape else ""
            self._report.at("R038", place, f"holds a control character ({name}){read}: write it in single quotes")
            return None
        if self.excused(source):
            return None
        try:
            known = self._memory.facts(expand(source, self._library))
        except PatternProblem as error:
            told = located(error, source, self._library)
            self._report.at(_CODES[error.kind], place, f"{'.'.join(map(str, place.path[-1:]))}: {told}")
            return None
        self._clock.count(len(known.compiled.pattern))
        for message in known.loose_errors:
            self._report.at("R034", place, message)
        fresh = tuple(number for number, item in enumerate(known.suspicions) if item.part not in self._said)
        probe = self._probe(known, fresh)
        if probe.runs_away_on is not None:
            why = f"; {probe.kept[0].message}" if probe.kept else ""
            self._report.at("R031", place, f"runs away on a text of {probe.runs_away_on}{why}")
        else:
            for item in probe.kept:
                self._report.at("R032", place, f"{item.message}, such as many times {item.pump!r}")
        if self._prober.exhausted and fresh not in known.probes:
            self._report.at("R036", place, "was not probed: the time for probing is up")
        self._said.update(known.suspicions[number].part for number in fresh)
        return known.compiled

    def _probe(self, known: PatternFacts, suspicions: tuple[int, ...]) -> Probe:
        """What trying a pattern shows, or has shown. One that runs away, or was not tried out, is tried again."""
        probe = known.probes.get(suspicions)
        if probe is None:
            probe = self._prober.probe(known.compiled, known.node, [known.suspicions[each] for each in suspicions])
            if probe.runs_away_on is None and not self._prober.exhausted:
                known.probes[suspicions] = probe
        return probe


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
