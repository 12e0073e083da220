"""Choices in the combiners, measured: rules that look better than they are, and who orders a tier's candidates.

    python -m benchmarks.combiners --data ../shared/data/receipts/train.jsonl --out benchmarks/results/combiners.json

**seen_rules**: simulated tiers whose rules are right in 98.5 % of the documents they were written on and in 93 % of
others; combiners learn from 324 of the first kind and 50 of the second and are judged on 800 fresh ones, by mean log
loss of the best answer. Ways: ``ignored`` (all documents alike), ``apart`` (what is particular to documents that rules
have seen has weights of its own, which are thrown away: as ``cascade calibrate`` does), ``left out`` (only documents
that no rule was written on). Means over seeds.

**order**: the development documents of the task, left out in eight folds by merchant. How many best answers are right
when each tier puts its first choice forward (``kept``), and when the combiner also orders a tier's own candidates
(``anew``).
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.observed import observe_task
from gateway.combine import Answer, Combiner, features, most_probable
from gateway.document import Candidate, Proposal, TierName, TierOutput
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import expected_values
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.files import write_json
from gateway.policy import Chain, all_chains, chain_name
from gateway.task import FieldSpec, TaskSpec
from gateway.values import canonical
from training.calibrate.combiners import STRENGTH, fit_combiners
from training.calibrate.outputs import Observed

SHOPS = TaskSpec("simulated", {"shop": FieldSpec("shop", "text")})
PREFIXES: tuple[Chain, ...] = (("rules",), ("rules", "student"), ("rules", "student", "large"))
FOLDS = 8


def simulated(rng: random.Random, size: int, name: str, rules: float) -> list[Observed]:
    """Documents of different hardness, on which tiers fail together; ``rules``: share in which rules are right."""
    made = []
    for number in range(size):
        hard = rng.random()
        outputs: dict[TierName, TierOutput] = {}
        skills: dict[TierName, float] = {"rules": rules, "student": 0.92, "large": 0.94}
        for tier, skill in skills.items():
            error = (1 - skill) * 2 * hard
            right = rng.random() >= error
            value = "right" if right else f"wrong {rng.randrange(3)}"
            if tier == "rules":
                source, score = rng.choice([("shop/a", 0.98), ("shop/b", 0.95), ("shop/c", 0.9)])
                found = [_candidate(value, score, source)]
                found += [_candidate("rival", 0.5, "shop/c")] if rng.random() < 0.2 else []
            else:
                sure = 1 - 2 * error - abs(rng.gauss(0, 0.05)) if right else rng.betavariate(3, 2)
                sure = min(0.999, max(0.05, sure))
                found = [_candidate(value, sure, tier), _candidate("other", (1 - sure) / 2, tier)]
            outputs[tier] = TierOutput({"shop": Proposal(tuple(found))})
        made.append(Observed(LabelledDocument(f"{name}{number}", f"{name}{number}", {"shop": "right"}), outputs))
    return made


def _candidate(value: str, score: float, source: str) -> Candidate:
    return Candidate(value, value, value, ((0, 1),), score, source)


def log_loss(combiner: Combiner, chain: Chain, fresh: Sequence[Observed]) -> float:
    """Mean log loss of the best answer."""
    total = 0.0
    for item in fresh:
        answers = {tier: item.answers(tier, SHOPS, "shop") for tier in chain}
        best, stated = most_probable(answers, combiner, "text", options=SHOPS.options)
        stated = min(max(stated, 1e-4), 1 - 1e-4)
        total -= math.log(stated if best is not None and item.judge(best, SHOPS, "shop") else 1 - stated)
    return total / len(fresh)


def seen_rules(seeds: int) -> dict[str, dict[str, float]]:
    """Mean log loss by chain and way."""
    losses: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for seed in range(seeds):
        rng = random.Random(seed)
        written_on, others = simulated(rng, 324, "seen", 0.985), simulated(rng, 50, "other", 0.93)
        fresh = simulated(rng, 800, "fresh", 0.93)
        seen = {item.document.id for item in written_on}
        both = [*written_on, *others]
        for chain in PREFIXES:
            ways = {
                "ignored": fit_combiners(both, chain, SHOPS, strength=STRENGTH),
                "apart": fit_combiners(both, chain, SHOPS, strength=STRENGTH, seen=seen),
                "left out": fit_combiners(others, chain, SHOPS, strength=STRENGTH),
            }
            for way, combiners in ways.items():
                losses[chain_name(chain)][way] += log_loss(combiners["shop"], chain, fresh) / seeds
    return {chain: {way: round(loss, 4) for way, loss in found.items()} for chain, found in losses.items()}


def anew(answers: Mapping[TierName, Sequence[Answer]], combiner: Combiner, task: TaskSpec, name: str) -> Answer | None:
    """The most probable of all candidates of all tiers; on equal terms a tier's own order and the later tier count."""
    kind = task.fields[name].type
    best: Answer | None = None
    highest = -1.0
    for proposed in answers.values():
        for answer in reversed(proposed):
            valid = all(canonical(kind, item.value, options=task.options) is not None for item in answer.candidates)
            probability = combiner.probability(features(answer.key, answers, valid=valid))
            if probability >= highest:
                best, highest = answer, probability
    return best


def order(task: TaskSpec, documents: Sequence[Observed], groups: Sequence[str]) -> dict[str, dict[str, int]]:
    """Right best answers by chain and way, of how many."""
    distinct = sorted(set(groups))
    random.Random(0).shuffle(distinct)
    fold_of = {group: number % FOLDS for number, group in enumerate(distinct)}
    found: dict[str, dict[str, int]] = {}
    for chain in all_chains():
        counts = {"kept": 0, "anew": 0, "answers": 0}
        for fold in range(FOLDS):
            held_out = [item for item, group in zip(documents, groups, strict=True) if fold_of[group] == fold]
            rest = [item for item, group in zip(documents, groups, strict=True) if fold_of[group] != fold]
            combiners = fit_combiners(rest, chain, task)
            for item in held_out:
                for name, field in task.fields.items():
                    if expected_values(task, item.document, name) is None:
                        continue
                    answers = {tier: item.answers(tier, task, name) for tier in chain}
                    kept, _ = most_probable(answers, combiners[name], field.type, options=task.options)
                    ordered = anew(answers, combiners[name], task, name)
                    counts["answers"] += 1
                    counts["kept"] += kept is not None and item.judge(kept, task, name) is True
                    counts["anew"] += ordered is not None and item.judge(ordered, task, name) is True
        found[chain_name(chain)] = counts
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="receipts")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    setting = observe_task(options.task, options.data, ["development"])
    write_json(
        options.out,
        {
            "what": "choices in the combiners; see the docstring of benchmarks/combiners.py",
            "command": command_line(sys.argv),
            "hardware": hardware(),
            "versions": versions(),
            "seeds": options.seeds,
            "seen_rules": seen_rules(options.seeds),
            "order": order(setting.task, setting.judged, setting.groups),
        },
    )


if __name__ == "__main__":
    main()
