"""From a rule as written to a rule that runs: library names filled in, patterns compiled, lookups indexed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import regex

from gateway.errors import RuleFileError
from gateway.task import FieldSpec
from gateway.tiers.rules import schema
from gateway.tiers.rules.finders import (
    AnchorFinder,
    BalanceFinder,
    BlockFinder,
    Finder,
    LookupFinder,
    PatternFinder,
    PositionFinder,
)
from gateway.tiers.rules.normalising import Validator, bound
from gateway.tiers.rules.patterns import Compiled, PatternProblem, compile_pattern, expand, located
from gateway.tiers.rules.scope import Scope
from gateway.tiers.rules.table import Table
from gateway.tiers.rules.words import WordsFinder, index_words
from gateway.values import PATTERNS, ValueType

#: Names that every library has: the value types' own patterns. The parser of the type reads what they match.
BUILT_IN: Mapping[str, str] = {name: pattern for name, pattern in PATTERNS.items() if name != "text"}


def default_value(kind: ValueType) -> str:
    """What a rule looks for when it names no value pattern."""
    return PATTERNS["text"] if kind == "text" else f"{{{{{kind}}}}}"


#: Raised when what a rule file means changes without the file: figures measured before do not hold any more.
_SEMANTICS = 1


class Lookup:
    """The entries of one lookup file, indexed for lines and, when a rule asks for it, for words."""

    def __init__(self, entries: list[tuple[str, str]]) -> None:
        self.entries = entries
        self.table = Table(entries)

    @cached_property
    def lengths(self) -> dict[str, tuple[int, ...]]:
        return index_words(self.entries)


@dataclass(frozen=True)
class CompiledRule:
    """A rule ready to run. ``source`` (``<field>/<rule id>``) names it in answers, metrics and combiners.

    An agreement has no finder: it reads what the other rules of its field found.
    """

    source: str
    field: FieldSpec
    spec: schema.Rule
    finder: Finder | None
    replacements: tuple[tuple[Compiled, str], ...]
    #: SHA-256 of all that decides what it finds: its keys, patterns with library names filled in, and lookup entries.
    digest: str
    validator: Validator | None = None

    @property
    def kind(self) -> ValueType:
        """The type that its values must have: the rule's own, else the field's."""
        return self.spec.type or self.field.type

    @property
    def score(self) -> float:
        """The precision that its file states, 0.5 where none is stated."""
        return 0.5 if self.spec.precision is None else self.spec.precision


class Compiler:
    """Compiles the rules of one field file.

    Args:
        where: names the file in errors.
        field: the field that the rules are for.
        library: what names in double braces stand for.
        lookup: opens a lookup file that a rule names.
        compiled: compiles a pattern, or knows it compiled already.
    """

    def __init__(
        self,
        where: str,
        field: FieldSpec,
        library: Mapping[str, str],
        lookup: Callable[[str], Lookup],
        compiled: Callable[[str], Compiled] = compile_pattern,
    ) -> None:
        self._where = where
        self._compiled = compiled
        self._field = field
        self._library = library
        self._lookup = lookup
        self._closure: list[str] = []

    def compile(self, rule: schema.Rule) -> CompiledRule:
        """One rule.

        Raises:
            RuleFileError: naming file, rule and key of a bad pattern, an unknown library name or a bad lookup.
        """
        self._closure = [str(_SEMANTICS), self._field.type, schema.behaviour(rule)]
        replacements = tuple(
            (self._pattern(rule, "replace", replacement.pattern), replacement.by) for replacement in rule.replace
        )
        for pattern, template in replacements:
            try:
                pattern.sub(template, "")
                regex.compile(pattern.pattern + "|", pattern.flags).sub(template, "")
            except (regex.error, IndexError) as error:
                raise self._error(rule, "replace", f"bad replacement {template!r} ({error})") from error
        validator = self._validator(rule)
        finder = self._finder(rule)
        digest = hashlib.sha256("\0".join(self._closure).encode("utf-8", "surrogatepass")).hexdigest()
        source = f"{self._field.name}/{rule.id}"
        return CompiledRule(source, self._field, rule, finder, replacements, digest, validator)

    def _finder(self, rule: schema.Rule) -> Finder | None:
        scope = self._scope(rule)
        match rule:
            case schema.PatternRule():
                return PatternFinder(self._pattern(rule, "pattern", rule.pattern), scope)
            case schema.AnchorRule():
                return AnchorFinder(
                    label=self._pattern(rule, "label", rule.label),
                    value=self._pattern(rule, "value", rule.value or default_value(rule.type or self._field.type)),
                    same_line=rule.same_line,
                    reach=rule.reach,
                    between=self._pattern(rule, "between", rule.between),
                    scope=scope,
                )
            case schema.PositionRule():
                pattern = self._pattern(rule, "pattern", rule.pattern)
                return PositionFinder(pattern, self._optional(rule, "skip", rule.skip), scope)
            case schema.BlockRule():
                return BlockFinder(
                    start=self._pattern(rule, "start", rule.start),
                    until=self._optional(rule, "until", rule.until),
                    stop=self._optional(rule, "stop", rule.stop),
                    most=rule.most,
                    contain=self._optional(rule, "contain", rule.contain),
                    scope=scope,
                )
            case schema.LookupRule():
                return self._lookup_finder(rule, scope)
            case schema.BalanceRule():
                if self._field.type != "money":
                    raise self._error(
                        rule, "kind", f"balance is for money, and {self._field.name} is {self._field.type}"
                    )
                amount = self._pattern(rule, "amount", rule.amount)
                return BalanceFinder(amount, rule.change == "some", rule.apart, scope)
            case schema.AgreementRule():
                return None

    def _lookup_finder(self, rule: schema.LookupRule, scope: Scope) -> Finder:
        try:
            lookup = self._lookup(rule.file)
        except FileNotFoundError as error:
            message = f"there is no file {rule.file} beside the rule file; write it, or correct its name here"
            raise self._error(rule, "file", message) from error
        except OSError as error:
            raise self._error(rule, "file", f"{rule.file} cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise self._error(rule, "file", f"{rule.file}: {error}") from error
        self._closure.append(lookup.table.digest)
        keep_writing = rule.form == "text"
        if rule.match == "words":
            return WordsFinder(lookup.table, lookup.lengths, keep_writing, scope)
        return LookupFinder(
            table=lookup.table,
            span=rule.span,
            cut=self._optional(rule, "cut", rule.cut),
            fuzzy=rule.fuzzy,
            same_digits=rule.same_digits,
            keep_writing=keep_writing,
            scope=scope,
        )

    def _validator(self, rule: schema.Rule) -> Validator | None:
        wanted = rule.validation
        if wanted == schema.Validation():
            return None
        kind = rule.type or self._field.type
        bounds: dict[str, Decimal | str | None] = {"min": None, "max": None}
        for key in bounds:
            written = getattr(wanted, key)
            if written is not None:
                try:
                    bounds[key] = bound(kind, written)
                except ValueError as error:
                    raise self._error(rule, f"validate.{key}", str(error)) from error
        return Validator(
            kind=kind,
            pattern=self._optional(rule, "validate.pattern", wanted.pattern),
            least=bounds["min"],
            most=bounds["max"],
            min_length=wanted.min_length,
            max_length=wanted.max_length,
        )

    def _scope(self, rule: schema.Rule) -> Scope:
        checks: list[tuple[str, Compiled, bool]] = []
        document_checks: list[tuple[Compiled, bool]] = []
        for key, context, wanted in (("require", rule.require, True), ("forbid", rule.forbid, False)):
            for where in ("value", "line", "previous", "next"):
                source = getattr(context, where)
                if source is not None:
                    checks.append((where, self._pattern(rule, f"{key}.{where}", source), wanted))
            if context.document is not None:
                document_checks.append((self._pattern(rule, f"{key}.document", context.document), wanted))
        return Scope(
            lines=rule.lines,
            after=self._optional(rule, "after", rule.after),
            before=self._optional(rule, "before", rule.before),
            checks=tuple(checks),
            document_checks=tuple(document_checks),
        )

    def _optional(self, rule: schema.Rule, key: str, source: str | None) -> Compiled | None:
        return None if source is None else self._pattern(rule, key, source)

    def _pattern(self, rule: schema.Rule, key: str, source: str) -> Compiled:
        try:
            expanded = expand(source, self._library)
            self._closure.append(f"{key}={expanded}")
            return self._compiled(expanded)
        except PatternProblem as error:
            raise self._error(rule, key, str(located(error, source, self._library))) from error

    def _error(self, rule: schema.Rule, key: str, message: str) -> RuleFileError:
        return RuleFileError(
            f"{self._where}: rule {rule.id}: {key}: {message}",
            detail={"file": self._where, "rule": rule.id, "key": key},
        )
