"""The rules tier: runs a task's rules on documents within hard time limits."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.document import Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.task import TaskSpec
from gateway.telemetry.logs import facts
from gateway.tiers.rules.budget import Budget, OutOfTime, TimeLimits
from gateway.tiers.rules.candidates import agreed, candidates_of, rank
from gateway.tiers.rules.compiling import CompiledRule
from gateway.tiers.rules.filters import FilterHit
from gateway.tiers.rules.finders import Selective
from gateway.tiers.rules.loading import RuleSet, load_rules
from gateway.tiers.rules.prefilter import Prefilter
from gateway.tiers.rules.schema import AgreementRule
from gateway.tiers.rules.scope import Compiled
from gateway.tiers.rules.strikes import RuleKey, Strikes
from gateway.tiers.rules.text import Text
from gateway.values import warm_up

#: On a longer text running out of time is counted and escalates the field, but is no strike against the rule.
STRIKE_CHARACTERS = 2_000
_log = logging.getLogger(__name__)

#: A rule is tried again when something other than its own matching may have used its time: a pause of the interpreter
#: or other threads' work. A pattern that runs away is stopped at its first attempt.
_ATTEMPTS = 2

#: ``skipped``: a rule named in its ``unless`` found something. ``timeout``: it gave nothing because its time was up.
#: ``set-aside``: it was not tried, because it kept running out of time before.
Outcome = Literal["found", "nothing", "skipped", "timeout", "set-aside"]
_NOT_TRIED_OUT: frozenset[Outcome] = frozenset(("timeout", "set-aside"))


@dataclass(frozen=True, slots=True)
class RuleRun:
    """What became of one rule on one document; ``candidates`` is empty unless it found something."""

    rule: CompiledRule
    outcome: Outcome
    candidates: Sequence[Candidate] = ()


class RulesTier:
    """Answers fields from patterns, anchors, positions, blocks and lookups (``gateway.tiers.base.Tier``).

    A rule that runs out of time gives nothing for that document, is counted in ``timeouts`` under its source, is
    reported to ``on_timeout`` and logged; its field is named in the output's ``timed_out``: agreements, ``unless`` and
    measured precision take it that all rules were tried. A rule that keeps running out is set aside: it is not run any
    more, and its field is named wherever it might have found something.

    Args:
        rules: what to run.
        limits: the time for a rule and a document.
        on_timeout: called with the source of a rule that ran out of time.
        strikes: which rules kept running out so far; give a tier of edited files that of the tier before.
        prefilter: whether to pass over rules whose literals a text does not have; what is found is the same.
    """

    name: TierName = "rules"

    def __init__(
        self,
        rules: RuleSet,
        *,
        limits: TimeLimits | None = None,
        on_timeout: Callable[[str], None] | None = None,
        strikes: Strikes | None = None,
        prefilter: bool = True,
    ) -> None:
        self.rules = rules
        #: What identifies all files read.
        self.version = rules.digest
        #: Field to what identifies the behaviour of its rules: comments, examples and other fields' rules do not
        #: change it.
        self.field_versions: Mapping[str, str] = rules.field_digests
        self.timeouts: Counter[str] = Counter()
        self.strikes = Strikes() if strikes is None else strikes
        self._limits = limits or TimeLimits()
        self._on_timeout = on_timeout
        self._lock = threading.Lock()
        #: The rules that read the text, and the agreements, which read what those found.
        self._readers = [rule for rule in rules.rules if rule.finder is not None]
        self._agreements = {
            name: [(rule, rule.spec) for rule in field_rules if isinstance(rule.spec, AgreementRule)]
            for name, field_rules in rules.fields.items()
        }
        self._order = {rule.source: number for number, rule in enumerate(rules.rules)}
        self._everything = range(len(self._readers))
        self._prefilter = Prefilter([_needs(rule) for rule in self._readers]) if prefilter else None

    @classmethod
    def load(
        cls,
        rules_dir: Path,
        task: TaskSpec,
        *,
        limits: TimeLimits | None = None,
        on_timeout: Callable[[str], None] | None = None,
        strikes: Strikes | None = None,
        prefilter: bool = True,
    ) -> RulesTier:
        """Read the rules of ``task`` from ``rules_dir`` (the directory that holds ``<task>/`` and ``library/``).

        Raises:
            RuleFileError: naming the file, the rule and the key that is wrong.
        """
        rules = load_rules(rules_dir, task)
        warm_up({rule.spec.type or rule.field.type for rule in rules.rules}, task.options)
        return cls(rules, limits=limits, on_timeout=on_timeout, strikes=strikes, prefilter=prefilter)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every ``<field>/<rule id>``, in order: the values ``Candidate.source`` can have."""
        return tuple(rule.source for rule in self.rules.rules)

    @property
    def set_aside(self) -> tuple[str, ...]:
        """The sources of rules that are not run any more because they kept running out of time, in order."""
        found = self.strikes.set_aside
        return tuple(rule.source for rule in self._readers if _key(rule) in found) if found else ()

    def filter(self, document: Document) -> FilterHit | None:
        """The filter that keeps a document from being extracted from; ``None`` lets it through.

        A filter that runs out of time lets it through, is counted in ``timeouts`` and reported to ``on_timeout``.
        """
        filters = self.rules.filters
        return filters.check_text(Text(document.text), timed_out=self._count_timeout) if filters.filters else None

    def _count_timeout(self, source: str) -> None:
        with self._lock:
            self.timeouts[source] += 1
        if self._on_timeout is not None:
            self._on_timeout(source)

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        """One output a document, in order. Fields the task does not have are passed over."""
        return [self._propose_one(document, fields) for document in documents]

    def _propose_one(self, document: Document, fields: Sequence[str]) -> TierOutput:
        wall, cpu = time.perf_counter(), time.thread_time()
        specs = self.rules.task.fields
        ran = self._run_all(Text(document.text), fields)
        proposals = {
            name: Proposal(rank([run.candidates for run in runs], specs[name])) if runs else _NOTHING
            for name, runs in ran.items()
        }
        timed_out = tuple(name for name, runs in ran.items() if any(run.outcome in _NOT_TRIED_OUT for run in runs))
        work = Work(cpu_seconds=time.thread_time() - cpu, wall_seconds=time.perf_counter() - wall)
        return TierOutput(proposals, work, timed_out)

    def trace(self, document: Document, fields: Sequence[str]) -> dict[str, list[RuleRun]]:
        """What every rule found on its own, before ranking: field to its rules in order of priority."""
        found: dict[str, list[RuleRun]] = {}
        for name, runs in self._run_all(Text(document.text), fields).items():
            by_source = {run.rule.source: run for run in runs}
            successful = {run.rule.spec.id for run in runs if run.candidates and run.rule.finder is not None}
            found[name] = [
                by_source.get(rule.source)
                or RuleRun(rule, "nothing" if successful.isdisjoint(rule.spec.unless) else "skipped")
                for rule in self.rules.fields[name]
            ]
        return found

    def try_rule(self, rule: CompiledRule, text: str) -> list[Candidate]:
        """What one rule finds in a text, whatever its ``unless`` says. An agreement lets its field's rules run."""
        budget = Budget(self._limits)
        if rule.finder is not None:
            return list(self._run(rule, Text(text), budget).candidates)
        readers = [other for other in self._readers if other.field.name == rule.field.name]
        runs = self._run_field(rule.field.name, readers, Text(text), budget)
        return [candidate for run in runs if run.rule is rule for candidate in run.candidates]

    def _run_all(self, text: Text, fields: Iterable[str]) -> dict[str, list[RuleRun]]:
        """Field to the runs of those of its rules that may find something, in order of priority."""
        self.strikes.begin_document()
        budget = Budget(self._limits)
        groups: dict[str, list[CompiledRule]] = {name: [] for name in fields if name in self.rules.fields}
        numbers: Sequence[int] = self._everything
        if self._prefilter is not None:
            scan = self._prefilter.scan(text.text)
            numbers, text.places = scan.rules, scan.starts
        for number in numbers:
            rule = self._readers[number]
            if rule.field.name in groups:
                groups[rule.field.name].append(rule)
        runs = {name: self._run_field(name, rules, text, budget) for name, rules in groups.items()}
        late = [run.rule.source for ran in runs.values() for run in ran if run.outcome == "timeout"]
        if late:
            _log.warning("rules ran out of time", extra=facts(task=self.rules.task.name, rules=late))
        return runs

    def _run_field(self, name: str, rules: Sequence[CompiledRule], text: Text, budget: Budget) -> list[RuleRun]:
        runs: list[RuleRun] = []
        successful: set[str] = set()
        for rule in rules:
            if successful.isdisjoint(rule.spec.unless):
                run = self._run(rule, text, budget)
                if run.candidates:
                    successful.add(rule.spec.id)
            else:
                run = RuleRun(rule, "skipped")
            runs.append(run)
        agreements = self._agreements[name]
        if not agreements or not successful:
            return runs
        # Agreements read what the other rules found, whatever their priority.
        found = [(run.rule.spec.id, run.candidates) for run in runs]
        for rule, spec in agreements:
            if not successful.isdisjoint(spec.unless):
                runs.append(RuleRun(rule, "skipped"))
                continue
            shared = agreed(rule, spec, found)
            runs.append(RuleRun(rule, "found" if shared else "nothing", shared))
        return sorted(runs, key=lambda run: self._order[run.rule.source])

    def _run(self, rule: CompiledRule, text: Text, budget: Budget) -> RuleRun:
        if rule.finder is None:
            return RuleRun(rule, "nothing")
        if self.strikes.set_aside and _key(rule) in self.strikes.set_aside:
            return RuleRun(rule, "set-aside")
        for attempt in range(_ATTEMPTS):
            try:
                budget.begin_rule(again=attempt > 0)
                found = list(rule.finder.find(text, budget))
                candidates = candidates_of(rule, found, text, self.rules.task.options, budget) if found else []
                return RuleRun(rule, "found" if candidates else "nothing", candidates)
            except OutOfTime:
                continue
            except TimeoutError:
                if budget.used_up():
                    budget.charge_overrun()
                    break
        self._out_of_time(rule, budget, len(text.text))
        return RuleRun(rule, "timeout")

    def _out_of_time(self, rule: CompiledRule, budget: Budget, characters: int) -> None:
        with self._lock:
            self.timeouts[rule.source] += 1
        # A rule is not to blame for what those before it, or other threads, have left of its time; nor for a long text,
        # which takes an honest pattern long too.
        to_blame = budget.ran_away() and characters <= STRIKE_CHARACTERS
        if to_blame and self.strikes.add(_key(rule)):
            _log.error(
                "a rule keeps running out of time and is set aside until it is edited",
                extra=facts(task=self.rules.task.name, rule=rule.source),
            )
        if self._on_timeout is not None:
            self._on_timeout(rule.source)


_NOTHING = Proposal()


def _key(rule: CompiledRule) -> RuleKey:
    return rule.source, rule.digest


def _needs(rule: CompiledRule) -> tuple[Compiled, ...]:
    """The patterns without whose match the rule finds nothing; none where that is not known."""
    finder: object = rule.finder
    return finder.needs if isinstance(finder, Selective) else ()
