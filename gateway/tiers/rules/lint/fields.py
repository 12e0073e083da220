"""Linting a field's rule file: every rule for itself, and what rules say of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gateway.errors import RuleFileError
from gateway.task import FieldSpec
from gateway.tiers.rules import schema
from gateway.tiers.rules.compiling import CompiledRule, Compiler, Lookup
from gateway.tiers.rules.lint.agreements import why_never
from gateway.tiers.rules.lint.clock import Clock
from gateway.tiers.rules.lint.findings import Place, Report
from gateway.tiers.rules.lint.library import PatternChecks, patterns_of
from gateway.tiers.rules.lint.lookups import LookupChecks
from gateway.tiers.rules.lint.reading import read_as, read_yaml
from gateway.tiers.rules.patterns import PatternProblem
from gateway.values import ValueOptions, canonical

_RULE: TypeAdapter[Any] = TypeAdapter(schema.Rule)
_HEAD: TypeAdapter[Any] = TypeAdapter(schema.RuleFile)


@dataclass(frozen=True)
class LintedRule:
    """A rule that could be compiled, and where it stands."""

    compiled: CompiledRule
    place: Place


class FieldChecks:
    """Lints field files of one task."""

    def __init__(
        self, library: Mapping[str, str], patterns: PatternChecks, lookups: LookupChecks, report: Report, clock: Clock
    ) -> None:
        self._clock = clock
        self._library = library
        self._patterns = patterns
        self._lookups = lookups
        self._report = report

    def check(self, path: Path, field: FieldSpec, options: ValueOptions) -> list[LintedRule]:
        """The rules of a field that can be used, in the order they are tried; all else becomes findings.

        Where some cannot, agreements that may wait for them are left out: their examples say nothing then.
        """
        file = read_yaml(path, self._report)
        if file is None:
            return []
        raw = file.yaml.value
        if not isinstance(raw, dict) or not isinstance(raw.get("rules"), list):
            read_as(_HEAD, raw, file, self._report)
            return []
        head = read_as(_HEAD, {**raw, "rules": []}, file, self._report)
        if head is not None and head.field != field.name:
            message = f"field is {head.field!r} but the file is called {path.name}"
            self._report.at("R014", file.at("field"), message)
        if not raw["rules"]:
            self._report.at("R023", file.at("rules"), f"{field.name} has no rules")
        found: list[LintedRule] = []
        ids: set[str] = set()
        for number, item in enumerate(raw["rules"]):
            identifier = item.get("id") if isinstance(item, dict) else None
            name = identifier if isinstance(identifier, str) else f"number {number + 1}"
            place = Place(path, file.yaml, ("rules", number), f"{field.name}/{name[:64]}")
            if why := self._clock.up:
                self._report.at("R017", place, f"the rules from here on were not checked: {why}")
                break
            rule = read_as(_RULE, item, place, self._report)
            if isinstance(identifier, str) and identifier in ids:
                self._report.at("R020", place.at("id"), f"another rule has the id {identifier!r}")
                continue
            ids.add(name)
            compiled = self._compile(rule, place, path, field) if rule is not None else None
            if compiled is not None:
                self._check_examples(compiled, place, options)
                found.append(LintedRule(compiled, place))
        found.sort(key=lambda item: -item.compiled.spec.priority)
        self._check_names(found, ids)
        complete = len(found) == len(raw["rules"])
        self._check_agreements(found, complete)
        self._check_same(found)
        return found if complete else [item for item in found if not _lacks_voters(item.compiled.spec, found)]

    def _compile(self, rule: schema.Rule, place: Place, path: Path, field: FieldSpec) -> CompiledRule | None:
        usable = True
        for where, source in patterns_of(rule):
            compiled = self._patterns.check(source, place.at(*where))
            usable &= compiled is not None
            if compiled is not None and where == ("pattern",) and compiled.fullmatch(""):
                self._report.at("R037", place.at("pattern"), "matches the empty text: it finds a value that is none")
        lookup: Lookup | None = None
        if isinstance(rule, schema.LookupRule):
            lookup = self._lookups.open(rule.file, place.at("file"), rule.type or field.type)
            usable &= lookup is not None
        if not usable:
            return None

        def opened(name: str) -> Lookup:
            if lookup is None:
                raise ValueError(f"{name} cannot be used")
            return lookup

        try:
            return Compiler(str(path), field, self._library, opened, self._patterns.compiled).compile(rule)
        except RuleFileError as error:
            key = str((error.detail or {}).get("key", ""))
            if isinstance(error.__cause__, PatternProblem) and self._patterns.flawed:
                return None  # what the file states was checked: it is a recogniser that a default names
            message = error.message.removeprefix(f"{path}: rule {rule.id}: ")
            self._report.at("R035" if key == "replace" else "R016", place.at(*key.split(".")), message)
            return None

    def _check_examples(self, rule: CompiledRule, place: Place, options: ValueOptions) -> None:
        if not rule.spec.examples:
            self._report.at("R040", place, f"rule {rule.spec.id} has no example")
        for number, example in enumerate(rule.spec.examples):
            for kind in dict.fromkeys((rule.kind, rule.field.type)):
                if example.value is not None and canonical(kind, example.value, options=options) is None:
                    where = place.at("examples", number, "value")
                    self._report.at("R042", where, f"{example.value[:60]!r} is no {kind}")

    def _check_names(self, rules: list[LintedRule], ids: set[str]) -> None:
        voters = {item.compiled.spec.id for item in rules if item.compiled.finder is not None}
        tried: set[str] = set()
        for item in rules:
            spec = item.compiled.spec
            for number, identifier in enumerate(spec.unless):
                if identifier not in tried and (identifier not in ids or identifier in voters):
                    message = f"no rule {identifier!r} is tried before this one"
                    self._report.at("R021", item.place.at("unless", number), message)
            for number, identifier in enumerate(getattr(spec, "of", None) or ()):
                if identifier not in ids or (identifier not in voters and identifier == spec.id):
                    message = f"this file has no rule {identifier!r} that finds values"
                    self._report.at("R021", item.place.at("of", number), message)
            tried |= {spec.id} & voters

    def _check_agreements(self, rules: list[LintedRule], complete: bool) -> None:
        """Only where all rules of the file can be used: with one more, an agreement might come about."""
        specs = [item.compiled.spec for item in rules]
        for item in rules:
            spec = item.compiled.spec
            if complete and isinstance(spec, schema.AgreementRule) and (why := why_never(spec, specs)) is not None:
                self._report.at("R052", item.place, f"rule {spec.id} never has a value: {why}")

    def _check_same(self, rules: list[LintedRule]) -> None:
        first: dict[str, str] = {}
        for item in rules:
            spec = item.compiled.spec
            evidence = schema.behaviour(spec.model_copy(update={"id": "x", "priority": 0, "precision": None}))
            before = first.setdefault(evidence, spec.id)
            if before != spec.id:
                self._report.at("R050", item.place, f"says the same as rule {before}, which is tried before it")


def _lacks_voters(spec: schema.Rule, usable: Sequence[LintedRule]) -> bool:
    """Whether a rule is an agreement of others that cannot all be used."""
    if not isinstance(spec, schema.AgreementRule):
        return False
    return spec.of is None or not {item.compiled.spec.id for item in usable} >= set(spec.of)
