"""From a rule as written to a rule that runs: library names filled in, patterns compiled, lookups indexed."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from gateway.tiers.rules.scope import Compiled, Scope
from gateway.tiers.rules.table import Table
from gateway.values import DATE_PATTERN, MONEY_PATTERN, ValueType

_REFERENCE = regex.compile(r"\{\{\s*([a-z][a-z0-9_-]*)\s*\}\}")
#: Names that every library has: the value types' own patterns. The parser of the type reads what they match.
BUILT_IN = {"date": f"(?x:{DATE_PATTERN.pattern}\n)", "money": f"(?x:{MONEY_PATTERN.pattern}\n)"}
#: What a rule looks for when it names no value pattern.
_DEFAULT_VALUE: Mapping[ValueType, str] = {
    "date": "{{date}}",
    "money": "{{money}}",
    "number": r"(?<![\w.,])[-+]?\d[\d,]*(?:\.\d+)?(?!\w)",
    "text": r"\S(?:.*\S)?",
}
#: Bounds how deep one recogniser may name another.
_MAX_DEPTH = 5
_MAX_EXPANDED_CHARS = 50_000
#: Raised when what a rule file means changes without the file: figures measured before do not hold any more.
_SEMANTICS = 1


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

    @property
    def score(self) -> float:
        """The precision that its file states, 0.5 where none is stated."""
        return 0.5 if self.spec.precision is None else self.spec.precision


class Compiler:
    """Compiles the rules of one field file; ``where`` names the file in errors."""

    def __init__(self, where: str, field: FieldSpec, library: Mapping[str, str], table: Callable[[str], Table]) -> None:
        self._where = where
        self._field = field
        self._library = library
        self._table = table
        self._closure: list[str] = []

    def compile(self, rule: schema.Rule) -> CompiledRule:
        """One rule.

        Raises:
            RuleFileError: naming file, rule and key of a bad pattern, an unknown library name or a bad lookup.
        """
        self._closure = [str(_SEMANTICS), self._field.type, rule.model_dump_json(exclude={"description", "examples"})]
        replacements = tuple(
            (self._pattern(rule, "replace", replacement.pattern), replacement.by) for replacement in rule.replace
        )
        for pattern, template in replacements:
            try:
                pattern.sub(template, "")
                regex.compile(pattern.pattern + "|", pattern.flags).sub(template, "")
            except (regex.error, IndexError) as error:
                raise self._error(rule, "replace", f"bad replacement {template!r} ({error})") from error
        finder = self._finder(rule)
        digest = hashlib.sha256("\0".join(self._closure).encode("utf-8", "surrogatepass")).hexdigest()
        return CompiledRule(f"{self._field.name}/{rule.id}", self._field, rule, finder, replacements, digest)

    def _finder(self, rule: schema.Rule) -> Finder | None:
        scope = self._scope(rule)
        match rule:
            case schema.PatternRule():
                return PatternFinder(self._pattern(rule, "pattern", rule.pattern), scope)
            case schema.AnchorRule():
                return AnchorFinder(
                    label=self._pattern(rule, "label", rule.label),
                    value=self._pattern(rule, "value", rule.value or _DEFAULT_VALUE[self._field.type]),
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
                return LookupFinder(
                    table=self._entries(rule),
                    span=rule.span,
                    cut=self._optional(rule, "cut", rule.cut),
                    fuzzy=rule.fuzzy,
                    same_digits=rule.same_digits,
                    keep_writing=rule.form == "text",
                    scope=scope,
                )
            case schema.BalanceRule():
                if self._field.type != "money":
                    raise self._error(
                        rule, "kind", f"balance is for money, and {self._field.name} is {self._field.type}"
                    )
                amount = self._pattern(rule, "amount", rule.amount)
                return BalanceFinder(amount, rule.change == "some", rule.apart, scope)
            case schema.AgreementRule():
                return None

    def _entries(self, rule: schema.LookupRule) -> Table:
        try:
            table = self._table(rule.file)
        except (OSError, ValueError) as error:
            raise self._error(rule, "file", f"{rule.file}: {error}") from error
        self._closure.append(table.digest)
        return table

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
        expanded = source
        for _ in range(_MAX_DEPTH):
            if not _REFERENCE.search(expanded):
                break
            expanded = _REFERENCE.sub(lambda match: self._recogniser(rule, key, match[1]), expanded)
            if len(expanded) > _MAX_EXPANDED_CHARS:
                raise self._error(
                    rule, key, f"longer than {_MAX_EXPANDED_CHARS} characters with library names filled in"
                )
        else:
            raise self._error(rule, key, "recognisers name each other too deeply")
        self._closure.append(f"{key}={expanded}")
        try:
            with warnings.catch_warnings():
                # A pattern that a later version of the module will read differently is an error now.
                warnings.simplefilter("error")
                return regex.compile(expanded, regex.IGNORECASE | regex.MULTILINE)
        except (regex.error, Warning, RecursionError, OverflowError) as error:
            raise self._error(rule, key, f"not a regular expression ({error})") from error

    def _recogniser(self, rule: schema.Rule, key: str, name: str) -> str:
        if name in self._library:
            return f"(?:{self._library[name]})"
        known = ", ".join(sorted(self._library)) or "none"
        raise self._error(rule, key, f"no recogniser {{{{{name}}}}} in the library; there are: {known}")

    def _error(self, rule: schema.Rule, key: str, message: str) -> RuleFileError:
        return RuleFileError(
            f"{self._where}: rule {rule.id}: {key}: {message}",
            detail={"file": self._where, "rule": rule.id, "key": key},
        )
