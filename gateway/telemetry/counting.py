"""Counting what became of one task's requests: a few dozen figures a request, so each is looked up once and kept."""

from __future__ import annotations

from typing import Literal, get_args

from gateway.cascade import AUTHOR, FieldResult
from gateway.extraction import Outcome
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.pending import Cell, Cells, HistogramCell

FieldOutcome = Literal["accepted", "accepted-author", "absent", "review", "nothing-found"]
FIELD_OUTCOMES: tuple[FieldOutcome, ...] = get_args(FieldOutcome)
#: The ``tier`` of a field for which no tier had an answer.
NO_TIER = "none"
#: The ``tier`` of cost and CPU seconds that no tier accounts for.
OVERHEAD = "overhead"


def field_outcome(result: FieldResult) -> FieldOutcome:
    """``accepted`` a value, ``accepted-author`` one on the word of its rule's author, accepted that it is ``absent``, a
    value in ``review``, or in review with ``nothing-found``."""
    if result.guarantee == AUTHOR:
        return "accepted-author"
    if result.state == "accepted":
        return "accepted" if result.present else "absent"
    return "review" if result.present else "nothing-found"


def _matched_rules(outcome: Outcome) -> set[str]:
    """The rules, ``<field>/<rule id>``, that have a candidate in an answer; values that several found count for the one
    that ranked them highest."""
    evidence = outcome.extraction.evidence.values()
    answers = (answer for item in evidence for answer in item.answers.get("rules", ()))
    found = {candidate.source for answer in answers for candidate in answer.candidates}
    return found | {candidate.source for item in evidence for candidate in item.unmeasured}


class TaskCounts:
    """One task's requests. Every label comes from the task's files or from a closed list in this code, and never from a
    request."""

    def __init__(self, instruments: Instruments, task: str, pending: list[Cell]) -> None:
        self.requests = Cells(instruments.requests, task, pending)
        # Made with the first answer: requests for tasks that do not exist have no duration.
        self._duration = Cells(instruments.request_duration, task, pending)
        self._overhead = HistogramCell(instruments.overhead, pending)
        self._tier_duration = Cells(instruments.tier_duration, task, pending)
        self._tier_requests = Cells(instruments.tier_requests, task, pending)
        self._fields = Cells(instruments.fields, task, pending)
        self._confidence = Cells(instruments.confidence, task, pending)
        self._rules = Cells(instruments.rule_matches, task, pending)
        self._filtered = Cells(instruments.filtered, task, pending)
        self._escalations = Cells(instruments.escalations, task, pending)
        self._cost = Cells(instruments.cost, task, pending)
        self._always_large = Cells(instruments.cost_always_large, task, pending)
        self._provisioned = Cells(instruments.cost_provisioned, task, pending)
        self._cpu = Cells(instruments.cpu_seconds, task, pending)
        self._gpu = Cells(instruments.gpu_seconds, task, pending)
        self._tokens = Cells(instruments.tokens, task, pending)

    def count(self, outcome: Outcome, seconds: float) -> None:
        """An answer that took ``seconds``."""
        extraction = outcome.extraction
        self._duration[()].observe(seconds)
        in_tiers = 0.0
        for tier, spent in outcome.timing.items():
            if tier != "total":
                in_tiers += spent
                self._tier_duration[tier].observe(spent)
        self._overhead.observe(max(0.0, seconds - in_tiers))
        for answered in extraction.tiers:
            self._tier_requests[answered].inc()
        for name, result in extraction.fields.items():
            tier = result.tier or NO_TIER
            self._fields[name, tier, field_outcome(result)].inc()
            if result.present:
                self._confidence[name, tier].observe(result.confidence)
        for rule in _matched_rules(outcome):
            self._rules[rule].inc()
        if outcome.filtered is not None:
            self._filtered[outcome.filtered.id].inc()
        for step in extraction.escalations:
            self._escalations[step.field, step.from_tier, step.to_tier, step.reason].inc()
        self._count_cost(outcome)

    def _count_cost(self, outcome: Outcome) -> None:
        cost = outcome.cost
        for tier, amount in cost.by_tier.items():
            self._cost[tier, cost.currency].inc(amount)
        for tier, work in outcome.extraction.work.items():
            self._cpu[tier].inc(work.cpu_seconds)
            if work.gpu_seconds:
                self._gpu[tier].inc(work.gpu_seconds)
            if work.tokens:
                self._tokens[tier, "input"].inc(work.tokens - work.completion_tokens)
            if work.completion_tokens:
                self._tokens[tier, "output"].inc(work.completion_tokens)
        if cost.overhead_seconds:
            self._cost[OVERHEAD, cost.currency].inc(cost.overhead)
            self._cpu[OVERHEAD].inc(cost.overhead_seconds)
        if cost.always_large is not None:
            self._always_large[cost.currency].inc(cost.always_large)
        if cost.provisioned is not None:
            self._provisioned[cost.currency].inc(cost.provisioned)


class Counts(dict[str, TaskCounts]):
    """The counts of every task that was asked."""

    def __init__(self, instruments: Instruments) -> None:
        super().__init__()
        self._instruments = instruments
        self._pending: list[Cell] = []

    def __missing__(self, task: str) -> TaskCounts:
        counts = self[task] = TaskCounts(self._instruments, task, self._pending)
        return counts

    def write(self) -> None:
        """Tell the metrics what was counted since the last time."""
        pending = self._pending[:]
        self._pending.clear()
        for cell in pending:
            cell.write()
