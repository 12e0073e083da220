"""A task's thresholds chosen and judged again and again on other halves of documents that nothing was made from.

    python -m benchmarks.resplits --data ../shared/data/receipts/train.jsonl --out benchmarks/results/resplits.json

The tiers' outputs for the parts named are pooled, divided at random into a half that thresholds are certified on and a
half that they are judged on, by documents and, apart from that, by whole merchants; combiners are those of policy.json,
which learned from neither. For each target stand side by side

* ``certified``: as ``cascade calibrate`` chooses;
* ``hand-set 0.5`` and ``hand-set 0.9``: one threshold for all fields on the same combined probabilities;
* ``own scores 0.9``: the same threshold on each tier's own score, without combiners;
* ``always large``: the large tier alone on every document, with certified thresholds of its own.

``violations`` counts fields whose accepted values err more in the judged half than the target allows, of those
``certified`` (for hand-set thresholds: of all that accept anything). A half is small: a threshold that truly keeps its
target exceeds it in some halves by chance. ``error`` is the share wrong of all accepted values over all resplits.
``absences`` says the same of the answer that a field is absent.
Documents without a label for a field have no part in it.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.observed import Setting, observe_task
from gateway.document import TierName
from gateway.evaluation.metrics import expected_values
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.files import write_json
from gateway.policy import AbsentThreshold, Chain, Threshold
from training.calibrate.thresholds import choose
from training.calibrate.trials import Table, Trial, trials

DELTA = 0.05
TARGETS = (0.9, 0.95, 0.97)


class Field:
    """One field's trials in a chain: of the fitting documents, and of the judged ones by their number."""

    def __init__(self, setting: Setting, chain: Chain, name: str, *, combined: bool = True) -> None:
        combiners = setting.policy.combiners if combined else {}
        absence = setting.policy.absence if combined else {}
        self.fitting = Table(trials(setting.fitting, chain, combiners, setting.task, name, absence))
        found = trials(setting.judged, chain, combiners, setting.task, name, absence)
        annotated = [
            number
            for number, item in enumerate(setting.judged)
            if expected_values(setting.task, item.document, name) is not None
        ]
        self.by_document = dict(zip(annotated, found, strict=True))

    def of(self, documents: Sequence[int]) -> list[Trial]:
        """The trials of these documents, where they are annotated."""
        return [self.by_document[number] for number in documents if number in self.by_document]


class Tally:
    """What one way of answering came to over all resplits."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.spent = self.always = 0.0

    def add(
        self,
        setting: Setting,
        chain: Chain,
        fields: dict[str, Field],
        chosen: dict[str, Threshold],
        test: Sequence[int],
        target: float,
    ) -> None:
        """Judge these thresholds on the documents ``test``."""
        reached = dict.fromkeys(test, 1)
        for name, field in fields.items():
            threshold = chosen[name]
            accepted = wrong = absent = wrong_absent = 0
            for number in test:
                trial = field.by_document.get(number)
                if trial is None:
                    continue
                settled = trial.settled(threshold)
                reached[number] = max(reached[number], len(chain) if settled is None else 1 + settled)
                self.counts["answers"] += 1
                stage = trial.stages[-1 if settled is None else settled]
                if settled is not None and threshold.accepts(stage.probability, present=stage.present):
                    self.counts["accepted"] += 1
                    accepted += stage.present
                    wrong += stage.present and not stage.right
                    absent += not stage.present
                    wrong_absent += not stage.present and not stage.right
            self.counts["present"] += accepted
            self.counts["wrong"] += wrong
            self.counts["absent"] += absent
            self.counts["wrong absent"] += wrong_absent
            self.counts["certified absent"] += threshold.accepts_absence
            self.counts["judged absent"] += absent > 0
            self.counts["fields"] += 1
            self.counts["certified"] += threshold.certified
            self.counts[f"certified {name}"] += threshold.certified
            self.counts["judged"] += accepted > 0
            self.counts["broken"] += accepted > 0 and wrong > (1 - target) * accepted + 1e-9
            self.counts["broken absent"] += absent > 0 and wrong_absent > (1 - target) * absent + 1e-9
        for number, depth in reached.items():
            work = {tier: output.work.cpu_seconds for tier, output in setting.judged[number].outputs.items()}
            self.spent += sum(work[tier] for tier in chain[:depth])
            self.always += work["large"]
            self.counts["documents"] += 1
            for tier in chain[:depth]:
                self.counts[f"reached {tier}"] += 1

    def as_json(self, setting: Setting) -> dict[str, Any]:
        """The shares that the module's docstring names."""
        counts = self.counts

        def share(part: str, whole: str) -> float | None:
            return round(counts[part] / counts[whole], 4) if counts[whole] else None

        return {
            "certified": share("certified", "fields"),
            "certified_by_field": {
                name: round(counts[f"certified {name}"] * len(setting.task.fields) / max(1, counts["fields"]), 4)
                for name in setting.task.fields
            },
            "accepted": share("accepted", "answers"),
            "error": share("wrong", "present"),
            "violations": share("broken", "judged"),
            "absences": {
                "certified": share("certified absent", "fields"),
                "accepted": share("absent", "answers"),
                "error": share("wrong absent", "absent"),
                "violations": share("broken absent", "judged absent"),
            },
            "reached_student": share("reached student", "documents"),
            "reached_large": share("reached large", "documents"),
            "cost": round(self.spent / self.always, 4) if self.always else None,
        }


def halves(rng: random.Random, groups: Sequence[str]) -> tuple[list[int], list[int]]:
    """Numbers of documents, in two parts of nearly equal size that share no group."""
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    order = sorted(members)
    rng.shuffle(order)
    one: list[int] = []
    other: list[int] = []
    for group in order:
        (one if len(one) <= len(other) else other).extend(members[group])
    return one, other


def hand_set(value: float) -> Threshold:
    return Threshold(value, True, 0, 0, 0, 1.0, None, AbsentThreshold(value, 0, 0, 1.0))


def measure(
    setting: Setting, groups: Sequence[str], repeats: int, seed: int, what: str, targets: Sequence[float] = TARGETS
) -> dict[str, Any]:
    """All ways at all targets, over ``repeats`` resplits."""
    chain: Chain = tuple(tier for tier in setting.task.tiers if tier in setting.judged[0].outputs)
    large: tuple[TierName, ...] = ("large",)
    names = list(setting.task.fields)
    all_tiers = {name: Field(setting, chain, name) for name in names}
    by_score = {name: Field(setting, chain, name, combined=False) for name in names}
    alone = {name: Field(setting, large, name) for name in names}
    tallies: dict[tuple[float, str], Tally] = {}
    rng = random.Random(f"{seed} {what}")

    for _ in tqdm(range(repeats), desc=f"resplits by {what}", mininterval=5):
        learned, test = halves(rng, groups)
        for target in targets:
            ways = {
                "certified": (chain, all_tiers, None),
                "always large": (large, alone, None),
                "hand-set 0.5": (chain, all_tiers, hand_set(0.5)),
                "hand-set 0.9": (chain, all_tiers, hand_set(0.9)),
                "own scores 0.9": (chain, by_score, hand_set(0.9)),
            }
            for way, (tiers, fields, fixed) in ways.items():
                chosen = {
                    name: fixed or choose(field.fitting, field.of(learned), target, DELTA)
                    for name, field in fields.items()
                }
                tallies.setdefault((target, way), Tally()).add(setting, tiers, fields, chosen, test, target)
    return {
        f"{target:g}": {way: tally.as_json(setting) for (of, way), tally in tallies.items() if of == target}
        for target in targets
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="receipts")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=["calibration", "validation-unseen"])
    parser.add_argument("--targets", type=float, nargs="+", default=list(TARGETS))
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    setting = observe_task(options.task, options.data, options.parts)
    documents = [str(number) for number in range(len(setting.judged))]
    write_json(
        options.out,
        {
            "what": "thresholds certified on one half and judged on the other; see benchmarks/resplits.py",
            "command": command_line(sys.argv),
            "hardware": hardware(),
            "versions": versions(),
            "seed": options.seed,
            "repeats": options.repeats,
            "delta": DELTA,
            "task": options.task,
            "documents": len(documents),
            "merchants": len(set(setting.groups)),
            "parts": options.parts,
            "by_documents": measure(setting, documents, options.repeats, options.seed, "documents", options.targets),
            "by_merchants": measure(
                setting, setting.groups, options.repeats, options.seed, "merchants", options.targets
            ),
        },
    )


if __name__ == "__main__":
    main()
