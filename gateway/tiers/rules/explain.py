"""Why a rule found what it found on one text, and why others found nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import regex

from gateway.document import Candidate, Document, Span
from gateway.tiers.rules.budget import Budget, TimeLimits
from gateway.tiers.rules.candidates import rank, read_value
from gateway.tiers.rules.compiling import CompiledRule
from gateway.tiers.rules.filters import FilterHit
from gateway.tiers.rules.finders import (
    AnchorFinder,
    BalanceFinder,
    BlockFinder,
    LookupFinder,
    PatternFinder,
    PositionFinder,
)
from gateway.tiers.rules.loading import RuleSet
from gateway.tiers.rules.patterns import Compiled, quoted
from gateway.tiers.rules.schema import AgreementRule, Lines
from gateway.tiers.rules.scope import MAX_MATCHES, MAX_VALUE_CHARS, Scope, value_span
from gateway.tiers.rules.text import Text
from gateway.tiers.rules.tier import Outcome, RulesTier

#: ``document``: the text as a whole is ruled out. ``scope``: what must stand before is not there. ``evidence``: the
#: pattern, label or line is not found. ``value``: the label is there and no value beside it. ``context``: require or
#: forbid. ``refused``: no value of its type, or against ``validate``. ``unless``, ``timeout``: not tried, or stopped.
ReasonKind = Literal["document", "scope", "evidence", "value", "context", "refused", "unless", "timeout", "agreement"]

#: An explanation may take longer than an answer.
_LIMITS = TimeLimits(rule=0.2, document=5.0)
_MOST_REASONS = 5
_SHOWN = 60


@dataclass(frozen=True)
class Reason:
    """One reason why a rule gave nothing (there); ``line`` counts from 1."""

    kind: ReasonKind
    message: str
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "message": self.message, "line": self.line}

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True)
class RuleExplanation:
    """One rule on one text: what it found, or why it found nothing."""

    source: str
    outcome: Outcome
    candidates: Sequence[Candidate]
    reasons: Sequence[Reason]

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.source,
            "outcome": self.outcome,
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "reasons": [reason.as_json() for reason in self.reasons],
        }


@dataclass(frozen=True)
class FieldExplanation:
    """One field: its best candidate and all its rules, in the order they are tried."""

    best: Candidate | None
    rules: Sequence[RuleExplanation] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        return {
            "best": self.best.as_json() if self.best else None,
            "rules": [rule.as_json() for rule in self.rules],
        }


def explain_document(tier: RulesTier, text: str) -> tuple[FilterHit | None, dict[str, FieldExplanation]]:
    """What each rule makes of a text, within the tier's own limits; reasons are looked for with more time.

    The filter that would keep the text from being extracted from stands first; the rules are explained all the same.
    """
    fields = tier.rules.task.fields
    found: dict[str, FieldExplanation] = {}
    for name, runs in tier.trace(Document(text), list(fields)).items():
        ranked = rank([run.candidates for run in runs], fields[name])
        successful = [run.rule.spec.id for run in runs if run.candidates]
        explained: list[RuleExplanation] = []
        for run in runs:
            reasons: Sequence[Reason] = ()
            if run.outcome == "skipped":
                others = [identifier for identifier in run.rule.spec.unless if identifier in successful]
                reasons = (Reason("unless", f"not tried: {', '.join(others)} found something (unless)"),)
            elif run.outcome == "timeout":
                reasons = (Reason("timeout", "ran out of time"),)
            elif run.outcome == "set-aside":
                reasons = (Reason("timeout", "set aside: it kept running out of time; edit it"),)
            elif not run.candidates:
                firsts = [(other.rule.spec.id, other.candidates[0]) for other in runs if other.candidates]
                reasons = explain_rule(tier.rules, run.rule, text, firsts)
            explained.append(RuleExplanation(run.rule.source, run.outcome, tuple(run.candidates), tuple(reasons)))
        found[name] = FieldExplanation(ranked[0] if ranked else None, tuple(explained))
    return tier.rules.filters.check(text), found


def explain_rule(
    rules: RuleSet, rule: CompiledRule, text: str, firsts: Sequence[tuple[str, Candidate]] = ()
) -> list[Reason]:
    """Why a rule, alone, finds nothing in a text; the reason that comes nearest to finding something first.

    ``firsts`` are the ids and first candidates of the field's other rules, of which an agreement says what they have.
    """
    spec = rule.spec
    if isinstance(spec, AgreementRule):
        votes = [f"{name} {item.value!r}" for name, item in firsts if spec.of is None or name in spec.of]
        return [
            Reason("agreement", f"fewer than {spec.least} rules agree: {', '.join(votes) or 'none found anything'}")
        ]
    budget = Budget(_LIMITS)
    try:
        budget.begin_rule()
        reasons = list(_Explainer(rules, rule, Text(text), budget).reasons())
    except TimeoutError:
        return [Reason("timeout", "ran out of time")]
    order: dict[ReasonKind, int] = {"refused": 0, "context": 1, "value": 2}
    reasons.sort(key=lambda reason: order.get(reason.kind, 3))
    return reasons[:_MOST_REASONS]


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _written(pattern: str | None) -> str:
    """A pattern as its file has it."""
    return quoted("" if pattern is None else pattern if len(pattern) <= _SHOWN else f"{pattern[:_SHOWN]}…")


def _about(lines: Lines | None) -> str:
    if lines is None:
        return "the text"
    return f"the first {lines.first} lines" if lines.first is not None else f"the last {lines.last} lines"


class _Explainer:
    """Follows a rule step by step and says where it ends."""

    def __init__(self, rules: RuleSet, rule: CompiledRule, text: Text, budget: Budget) -> None:
        self._rules = rules
        self._rule = rule
        self._spec = rule.spec
        self._text = text
        self._budget = budget

    def reasons(self) -> Iterator[Reason]:
        finder = self._rule.finder
        if finder is None:
            return
        scope: Scope = finder.scope  # type: ignore[attr-defined]
        outside = self._ruled_out(scope)
        if outside is not None:
            yield outside
            return
        region = scope.region(self._text, self._budget)
        if region is None:
            return
        match finder:
            case PatternFinder():
                yield from self._pattern(finder, region)
            case AnchorFinder():
                yield from self._anchor(finder, region)
            case PositionFinder():
                yield from self._position(finder)
            case BlockFinder():
                yield from self._block(finder, region)
            case BalanceFinder():
                yield Reason("evidence", "no amount, amount paid and change follow each other so that they balance")
                yield from self._found(finder)
            case _:
                yield from self._lookup(finder)

    def _ruled_out(self, scope: Scope) -> Reason | None:
        for pattern, wanted in scope.document_checks:
            match = pattern.search(self._text.text, timeout=self._budget.left())
            if (match is not None) is wanted:
                continue
            if match is None:
                return Reason(
                    "document", f"require.document is nowhere in the text: {_written(self._spec.require.document)}"
                )
            return Reason("document", f"forbid.document is in the text: {_shown(match[0])}", self._line(match.start()))
        if scope.after is not None:
            region = self._text.region(scope.lines)
            if not scope.after.search(self._text.text, *region, timeout=self._budget.left()):
                return Reason("scope", f"after is not found in {_about(scope.lines)}: {_written(self._spec.after)}")
        return None

    def _line(self, offset: int) -> int:
        return self._text.line_at(offset) + 1

    def _matches(self, pattern: Compiled, region: Span) -> Iterator[regex.Match[str]]:
        found = pattern.finditer(self._text.text, *region, timeout=self._budget.left())
        for number, match in enumerate(found):
            if number >= MAX_MATCHES:
                return
            yield match

    def _elsewhere(self, what: str, pattern: Compiled, scope: Scope) -> Reason:
        """The evidence is not where the rule looks; perhaps it is outside."""
        match = pattern.search(self._text.text, timeout=self._budget.left())
        if match is None:
            return Reason("evidence", f"{what} not found")
        return Reason(
            "evidence",
            f"{what} found, but outside {_about(scope.lines)} that the rule looks at",
            self._line(match.start()),
        )

    def _pattern(self, finder: PatternFinder, region: Span) -> Iterator[Reason]:
        none = True
        for match in self._matches(finder.pattern, region):
            none = False
            yield from self._judged(finder.scope, self._text.line_at(value_span(match)[0]), value_span(match))
        if none:
            yield self._elsewhere("pattern", finder.pattern, finder.scope)

    def _anchor(self, finder: AnchorFinder, region: Span) -> Iterator[Reason]:
        none = True
        for label in self._matches(finder.label, region):
            none = False
            line = self._text.line_at(label.start())
            span = finder._value(self._text, label.end(), self._budget)
            if span is None:
                places = [
                    *(["on its line"] if finder.same_line else []),
                    *([f"on the {finder.reach} lines below"] if finder.reach else []),
                ]
                message = f"label {_shown(label[0])} found, but no value {' or '.join(places) or 'is looked for'}"
                yield Reason("value", message, line + 1)
            else:
                yield from self._judged(finder.scope, line, span)
        if none:
            yield self._elsewhere("label", finder.label, finder.scope)

    def _position(self, finder: PositionFinder) -> Iterator[Reason]:
        for number in finder.scope.numbers(self._text, self._budget):
            line = self._text.line(number)
            if len(line) > MAX_VALUE_CHARS:
                continue
            if finder.skip and finder.skip.search(line, timeout=self._budget.left()):
                continue
            start, end = self._text.starts[number], self._text.ends[number]
            match = finder.pattern.search(self._text.text, start, end, timeout=self._budget.left())
            if match is None:
                yield Reason(
                    "evidence", f"pattern not found in the first line that is not skipped, {_shown(line)}", number + 1
                )
            else:
                yield from self._judged(finder.scope, number, value_span(match))
            return
        yield Reason("evidence", f"{_about(finder.scope.lines)} are all skipped")

    def _block(self, finder: BlockFinder, region: Span) -> Iterator[Reason]:
        none = True
        for match in self._matches(finder.start, region):
            none = False
            begin = value_span(match)[0]
            line = self._text.line_at(begin)
            finish = finder._finish(self._text, line, begin, self._budget)
            if finish is None:
                yield Reason("evidence", "until leaves nothing of the block", line + 1)
            elif finder.contain and not finder.contain.search(
                self._text.text, begin, finish, timeout=self._budget.left()
            ):
                contain = _written(getattr(self._spec, "contain", None))
                yield Reason("evidence", f"the block does not contain {contain}", line + 1)
            else:
                yield from self._judged(finder.scope, line, (begin, finish))
        if none:
            yield self._elsewhere("start", finder.start, finder.scope)

    def _lookup(self, finder: Any) -> Iterator[Reason]:
        scope: Scope = finder.scope
        what = "no line" if isinstance(finder, LookupFinder) else "no word"
        found = list(self._found(finder))
        if found:
            yield from found
        elif scope.checks:
            yield Reason(
                "evidence", f"{what} of {_about(scope.lines)} is an entry, or its context is not as it must be"
            )
        else:
            alike = f" or at least {finder.fuzzy:g} % like one" if getattr(finder, "fuzzy", None) else ""
            yield Reason("evidence", f"{what} of {_about(scope.lines)} is an entry{alike}")

    def _found(self, finder: Any) -> Iterator[Reason]:
        """Reasons against what a finder gives back itself."""
        for item in finder.find(self._text, self._budget):
            reason = self._refused(item.span, item.value)
            if reason is not None:
                yield reason

    def _judged(self, scope: Scope, line: int, span: Span) -> Iterator[Reason]:
        """Why evidence on ``line`` with a value at ``span`` comes to nothing."""
        where = {"previous": line - 1, "line": line, "next": line + 1}
        value = self._text.text[span[0] : span[1]]
        for place, pattern, wanted in scope.checks:
            subject = value if place == "value" else self._text.line(where[place])
            match = pattern.search(subject, timeout=self._budget.left())
            if (match is not None) is wanted:
                continue
            if match is None:
                message = f"{_shown(value)}: require.{place} does not match {_shown(subject)}"
            else:
                message = f"{_shown(value)}: forbidden by {place}, which has {_shown(match[0])}"
            yield Reason("context", message, line + 1)
            return
        reason = self._refused(span, None)
        if reason is not None:
            yield reason

    def _refused(self, span: Span, value: str | None) -> Reason | None:
        raw = self._text.text[span[0] : span[1]]
        line = self._line(span[0])
        if not raw.strip() or len(raw) > MAX_VALUE_CHARS:
            return Reason(
                "refused",
                "the value is empty" if not raw.strip() else f"longer than {MAX_VALUE_CHARS} characters",
                line,
            )
        read = read_value(self._rule, value, raw, self._rules.task.options, self._budget)
        return None if read.refusal is None else Reason("refused", read.refusal, line)
