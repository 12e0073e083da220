"""Other ways to escalate, replayed on what the tiers said: which would pay?

    python -m benchmarks.escalation --data ../shared/data/receipts/train.jsonl --out benchmarks/results/escalation.json

All ways use the policy's combiners and certified thresholds, for each quality asked for and for the task's own
(``default``):

* ``as served``: rules, student, large, each asked about the fields still open;
* ``asked although nothing can be accepted``: the same, but fields that no tier can be accepted for go on to the next
  tier whenever their probability is below the target's threshold, as if it could;
* ``without the student``: rules, large; ``without the large tier``: rules, student;
* ``student skipped when it would not help``: by hindsight, the most that skipping it could save. It leaves the student
  out for a document where that costs less and accepts as many answers;
* ``student skipped by open fields``: the same from what is known at the time, the set of fields open after the rules:
  the student is left out where on the fitting documents it closed so few such sets that asking it cost more than it
  saved;
* ``cheaper order``: for each document the cheapest chain by mean cost on fitting documents with the same open fields.

A way that leaves a tier out is decided by the chain without it, which has certificates of its own. Cost is CPU seconds,
a share of those of the large tier on every document.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.observed import Setting, observe_task
from gateway.cascade import Extraction, Run
from gateway.document import TIERS
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.evaluation.replay import Recorded, Tally, replay, seconds, tally
from gateway.files import write_json
from gateway.policy import Chain, Policy

ALL: Chain = TIERS
NO_STUDENT: Chain = ("rules", "large")
NO_LARGE: Chain = ("rules", "student")


class Replays:
    """Extractions of documents by chain, made once each."""

    def __init__(self, setting: Setting, policy: Policy, quality: float | None, items: Sequence[Recorded]) -> None:
        self.task, self.policy, self.quality, self.items = setting.task, policy, quality, items
        self._made: dict[tuple[int, Chain], Extraction] = {}

    def by(self, number: int, chain: Chain) -> Extraction:
        """What this chain makes of a document."""
        if (number, chain) not in self._made:
            outputs = self.items[number].outputs
            self._made[number, chain] = replay(self.task, self.policy, outputs, quality=self.quality, tiers=chain)
        return self._made[number, chain]

    def cost(self, number: int, chain: Chain) -> float:
        """CPU seconds that it spends on a document."""
        return seconds(self.items[number], self.by(number, chain).tiers)

    def accepted(self, number: int, chain: Chain) -> int:
        """Fields that it accepts."""
        return sum(found.state == "accepted" for found in self.by(number, chain).fields.values())

    def open(self, number: int) -> frozenset[str]:
        """The fields still open when the rules have answered."""
        run = Run(self.task, self.policy, fields=tuple(self.task.fields), quality=self.quality, tiers=ALL)
        run.absorb("rules", self.items[number].outputs["rules"])
        return frozenset(run.open_fields())

    def tally(self, choose: Callable[[int], Chain]) -> Tally:
        """What comes of choosing a chain for each document."""
        extractions = [self.by(number, choose(number)) for number in range(len(self.items))]
        return tally(self.task, self.items, extractions)


def by_open_fields(learned: Replays, chains: Sequence[Chain]) -> Mapping[frozenset[str], Chain]:
    """For each set of open fields seen often enough, the chain that was cheapest on average and accepted no less."""
    seen: dict[frozenset[str], list[int]] = defaultdict(list)
    for number in range(len(learned.items)):
        seen[learned.open(number)].append(number)
    chosen: dict[frozenset[str], Chain] = {}
    for fields, numbers in seen.items():
        least = sum(learned.accepted(number, ALL) for number in numbers)
        usable = [chain for chain in chains if sum(learned.accepted(number, chain) for number in numbers) >= least]
        if len(numbers) >= 5 and usable:
            chosen[fields] = min(usable, key=lambda chain: sum(learned.cost(number, chain) for number in numbers))
    return chosen


def measure(setting: Setting, quality: float | None) -> dict[str, Any]:
    """All ways at one quality."""
    fitting = [Recorded(item.document, item.outputs) for item in setting.fitting]
    judged = [Recorded(item.document, item.outputs) for item in setting.judged]
    now = Replays(setting, setting.policy, quality, judged)
    learned = Replays(setting, setting.policy, quality, fitting)
    eager = Replays(setting, without_steering(setting.policy), quality, judged)

    def hindsight(number: int) -> Chain:
        cheaper = now.cost(number, NO_STUDENT) < now.cost(number, ALL)
        return NO_STUDENT if cheaper and now.accepted(number, NO_STUDENT) >= now.accepted(number, ALL) else ALL

    skipping = by_open_fields(learned, (ALL, NO_STUDENT))
    ordering = by_open_fields(learned, (ALL, NO_STUDENT, NO_LARGE))
    ways = {
        "as served": now.tally(lambda _: ALL),
        "asked although nothing can be accepted": eager.tally(lambda _: ALL),
        "without the student": now.tally(lambda _: NO_STUDENT),
        "without the large tier": now.tally(lambda _: NO_LARGE),
        "student skipped when it would not help": now.tally(hindsight),
        "student skipped by open fields": now.tally(lambda number: skipping.get(now.open(number), ALL)),
        "cheaper order": now.tally(lambda number: ordering.get(now.open(number), ALL)),
    }
    return {name: _json(found) for name, found in ways.items()}


def without_steering(policy: Policy) -> Policy:
    """The same policy, whose uncertified thresholds escalate as if they could accept."""
    return replace(
        policy,
        thresholds={
            chain: {
                name: {target: replace(found, steer=None) for target, found in targets.items()}
                for name, targets in fields.items()
            }
            for chain, fields in policy.thresholds.items()
        },
    )


def _json(found: Tally) -> dict[str, float | None]:
    numbers = {
        "cost": found.cost,
        "reached_student": found.student_share,
        "reached_large": found.large_share,
        "accepted": found.accepted_share,
        "error": found.selective_error,
        "right": found.right_share,
    }
    return {name: None if number is None else round(number, 4) for name, number in numbers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="receipts")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=["validation-seen", "validation-unseen"])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    setting = observe_task(options.task, options.data, options.parts)
    qualities = sorted(
        {target for fields in setting.policy.thresholds.values() for of in fields.values() for target in of}
    )
    write_json(
        options.out,
        {
            "what": "other ways to escalate, replayed; see the docstring of benchmarks/escalation.py",
            "command": command_line(sys.argv),
            "hardware": hardware(),
            "versions": versions(),
            "task": options.task,
            "documents": len(setting.judged),
            "learned_from": len(setting.fitting),
            "parts": options.parts,
            "qualities": {
                "default": measure(setting, None),
                **{f"{quality:g}": measure(setting, quality) for quality in qualities},
            },
        },
    )


if __name__ == "__main__":
    main()
