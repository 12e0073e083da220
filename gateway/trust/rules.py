"""The rules tier as a policy may rely on it: measured rules decide, the others are shown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.document import Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.tiers.rules.candidates import rank
from gateway.tiers.rules.tier import RuleRun, RulesTier
from gateway.trust.standing import FieldTrust

#: Outcomes of a rule that was not tried to the end: its field goes on to the next tier.
_NOT_TRIED_OUT = frozenset({"timeout", "set-aside"})


class TrustedRules:
    """Proposals in which only rules that the policy measured have a part (``gateway.tiers.base.Tier``).

    * A field whose rules are as measured is run as it is, and so is one whose rules decide nothing.
    * Where rules were only added, the measured ones run by themselves, so that candidates, ranks, agreements and the
      time they have are those of the calibration; then all of the field's rules run, and what the added ones found is
      the proposal's ``evidence``. The field's rules cost twice until they are calibrated.
    * Where rules are not trusted, or were added, and an author vouches for the one that answers, the proposal says with
      what precision (``author_precision``).

    Args:
        tier: all rules of the task.
        trust: the standing of each field's rules; a field that is missing, as without a policy, is not measured.
    """

    name: TierName = "rules"

    def __init__(self, tier: RulesTier, trust: Mapping[str, FieldTrust]) -> None:
        self.tier = tier
        self.version = tier.version
        self._authors = tier.rules.author_precision
        self._added = {
            name: frozenset(trust[name].added)
            for name in tier.rules.fields
            if name in trust and trust[name].standing == "extended"
        }
        vouched = {source.partition("/")[0] for source in self._authors}
        self._by_author = {
            name
            for name in vouched
            if name not in self._added and not (name in trust and trust[name].standing == "measured")
        }
        self._measured = tier
        if self._added:
            kept = {
                name: tuple(rule for rule in rules if rule.source not in self._added.get(name, ()))
                for name, rules in tier.rules.fields.items()
            }
            self._measured = RulesTier(replace(tier.rules, fields=kept), strikes=tier.strikes)

    @property
    def timeouts(self) -> dict[str, int]:
        """How often each rule ran out of time, by source."""
        both = dict(self.tier.timeouts)
        if self._measured is not self.tier:
            for source, count in dict(self._measured.timeouts).items():
                both[source] = both.get(source, 0) + count
        return both

    @property
    def set_aside(self) -> tuple[str, ...]:
        """Rules that are not run any more because they kept running out of time."""
        return self.tier.set_aside

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        """One output a document, in order."""
        if not self._added and self._by_author.isdisjoint(fields):
            return self.tier.propose(documents, fields)
        return [self._propose_one(document, fields) for document in documents]

    def _propose_one(self, document: Document, fields: Sequence[str]) -> TierOutput:
        wall, cpu = time.perf_counter(), time.thread_time()
        plain = [name for name in fields if name not in self._by_author]
        output = self._measured.propose([document], plain)[0]
        proposals, timed_out = dict(output.proposals), list(output.timed_out)
        traced = self.tier.trace(document, [name for name in fields if name in self._added or name in self._by_author])
        for name, runs in traced.items():
            if name in self._added:
                own = [run for run in runs if run.rule.source in self._added[name]]
                evidence = self._proposal(name, own)
                proposals[name] = replace(
                    proposals.get(name, Proposal()),
                    evidence=evidence.candidates,
                    author_precision=evidence.author_precision,
                )
                continue
            proposals[name] = self._proposal(name, runs)
            if any(run.outcome in _NOT_TRIED_OUT for run in runs):
                timed_out.append(name)
        work = Work(cpu_seconds=time.thread_time() - cpu, wall_seconds=time.perf_counter() - wall)
        return TierOutput(proposals, work, tuple(timed_out))

    def _proposal(self, name: str, runs: Sequence[RuleRun]) -> Proposal:
        field = self.tier.rules.task.fields[name]
        candidates = rank([run.candidates for run in runs], field)
        whole = not any(run.outcome in _NOT_TRIED_OUT for run in runs)
        return Proposal(candidates, author_precision=self._vouched(candidates, runs, field.many) if whole else None)

    def _vouched(self, candidates: Sequence[Candidate], runs: Sequence[RuleRun], many: bool) -> float | None:
        """The precision stated for the answer; ``None`` where one is not stated, or rules with one contradict it."""
        answer = candidates if many else candidates[:1]
        stated = [self._authors.get(candidate.source) for candidate in answer]
        known = [precision for precision in stated if precision is not None]
        if not known or len(known) < len(stated):
            return None
        if not many:
            vouching = [run for run in runs if run.candidates and run.rule.source in self._authors]
            firsts = {run.candidates[0].normalised for run in vouching}
            if len(firsts) > 1:
                return None
        return min(known)
