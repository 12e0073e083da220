"""The rules tier: runs a task's rules on documents within hard time limits."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.document import Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.task import TaskSpec
from gateway.tiers.rules.budget import Budget, OutOfTime, TimeLimits
from gateway.tiers.rules.candidates import agreed, candidates_of, rank
from gateway.tiers.rules.compiling import CompiledRule
from gateway.tiers.rules.loading import RuleSet, load_rules
from gateway.tiers.rules.schema import AgreementRule
from gateway.tiers.rules.text import Text

#: A rule is tried again when something other than its own matching may have used its time: a pause of the interpreter
#: or other threads' work. A pattern that runs away is stopped at its first attempt.
_ATTEMPTS = 2

#: ``skipped``: a rule named in its ``unless`` found something. ``timeout``: it gave nothing because its time was up.
Outcome = Literal["found", "nothing", "skipped", "timeout"]


@dataclass(frozen=True)
class RuleRun:
    """What became of one rule on one document; ``candidates`` is empty unless it found something."""

    rule: CompiledRule
    outcome: Outcome
    candidates: Sequence[Candidate] = ()


class RulesTier:
    """Answers fields from patterns, anchors, positions, blocks and lookups (``gateway.tiers.base.Tier``).

    A rule that runs out of time gives nothing for that document, is counted in ``timeouts`` under its source, and
    is reported to ``on_timeout``.
    """

    name: TierName = "rules"

    def __init__(
        self,
        rules: RuleSet,
        *,
        limits: TimeLimits | None = None,
        on_timeout: Callable[[str], None] | None = None,
    ) -> None:
        self.rules = rules
        #: What identifies all files read.
        self.version = rules.digest
        #: Field to what identifies the behaviour of its rules: comments, examples and other fields' rules do not
        #: change it.
        self.field_versions: Mapping[str, str] = rules.field_digests
        self.timeouts: Counter[str] = Counter()
        self._limits = limits or TimeLimits()
        self._on_timeout = on_timeout
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        rules_dir: Path,
        task: TaskSpec,
        *,
        limits: TimeLimits | None = None,
        on_timeout: Callable[[str], None] | None = None,
    ) -> RulesTier:
        """Read the rules of ``task`` from ``rules_dir`` (the directory that holds ``<task>/`` and ``library/``).

        Raises:
            RuleFileError: naming the file, the rule and the key that is wrong.
        """
        return cls(load_rules(rules_dir, task), limits=limits, on_timeout=on_timeout)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every ``<field>/<rule id>``, in order: the values ``Candidate.source`` can have."""
        return tuple(rule.source for rule in self.rules.rules)

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        """One output a document, in order. Fields the task does not have are passed over."""
        return [self._propose_one(document, fields) for document in documents]

    def _propose_one(self, document: Document, fields: Sequence[str]) -> TierOutput:
        wall, cpu = time.perf_counter(), time.thread_time()
        specs = self.rules.task.fields
        proposals = {
            name: Proposal(rank([run.candidates for run in runs], specs[name]))
            for name, runs in self.trace(document, fields).items()
        }
        work = Work(cpu_seconds=time.thread_time() - cpu, wall_seconds=time.perf_counter() - wall)
        return TierOutput(proposals, work)

    def trace(self, document: Document, fields: Sequence[str]) -> dict[str, list[RuleRun]]:
        """What every rule found on its own, before ranking: field to its rules in order of priority."""
        text = Text(document.text)
        budget = Budget(self._limits)
        return {
            name: self._run_field(self.rules.fields[name], text, budget) for name in fields if name in self.rules.fields
        }

    def try_rule(self, rule: CompiledRule, text: str) -> list[Candidate]:
        """What one rule finds in a text, whatever its ``unless`` says. An agreement lets its field's rules run."""
        budget = Budget(self._limits)
        if rule.finder is not None:
            return list(self._run(rule, Text(text), budget).candidates)
        runs = self._run_field(self.rules.fields[rule.field.name], Text(text), budget)
        return [candidate for run in runs if run.rule is rule for candidate in run.candidates]

    def _run_field(self, rules: Sequence[CompiledRule], text: Text, budget: Budget) -> list[RuleRun]:
        runs: dict[str, RuleRun] = {}
        successful: set[str] = set()
        for rule in rules:
            if rule.finder is None:
                continue
            if successful.isdisjoint(rule.spec.unless):
                runs[rule.source] = self._run(rule, text, budget)
            else:
                runs[rule.source] = RuleRun(rule, "skipped")
            if runs[rule.source].candidates:
                successful.add(rule.spec.id)
        # Agreements read what the other rules found, whatever their priority.
        found = [(run.rule.spec.id, run.candidates) for run in runs.values()]
        for rule in rules:
            if isinstance(rule.spec, AgreementRule):
                shared = agreed(rule, rule.spec, found)
                runs[rule.source] = RuleRun(rule, "found" if shared else "nothing", shared)
        return [runs[rule.source] for rule in rules]

    def _run(self, rule: CompiledRule, text: Text, budget: Budget) -> RuleRun:
        if rule.finder is None:
            return RuleRun(rule, "nothing")
        for _ in range(_ATTEMPTS):
            try:
                budget.begin_rule()
                found = list(rule.finder.find(text, budget))
                candidates = candidates_of(rule, found, text, self.rules.task.day_first, budget) if found else []
                return RuleRun(rule, "found" if candidates else "nothing", candidates)
            except OutOfTime:
                continue
            except TimeoutError:
                if budget.used_up():
                    break
        with self._lock:
            self.timeouts[rule.source] += 1
        if self._on_timeout is not None:
            self._on_timeout(rule.source)
        return RuleRun(rule, "timeout")
