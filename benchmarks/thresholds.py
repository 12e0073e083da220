"""Does the promise hold, what does it cost, and is one threshold a stage better than one for all stages?

Simulated tiers of known skill: every document has a hardness, every stage states a probability (true, or distorted) and
is right with its true one. Each repeat draws fitting and calibration documents, chooses thresholds as
``cascade calibrate`` does, and is judged on the whole population, where errors are known. Beside it stand

* ``per-stage``: one threshold a stage, searched on the fitting documents for the least cost at each error, the path
  then tested on the calibration documents in the same way;
* ``naive``: the threshold that looked good enough on the calibration documents, without a test;
* ``hindsight``: the cheapest single threshold that keeps the target in the population.

``--optional`` is about a field that most documents lack: how often the certificate for its values, and how often that
for its absences, breaks the target in the population.

Usage: python benchmarks/thresholds.py --out benchmarks/results/thresholds.json [--repeats 1000]
       python benchmarks/thresholds.py --optional --out benchmarks/results/thresholds-optional.json [--repeats 1000]
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from gateway.evaluation.bounds import binomial_tail
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.files import write_json
from training.calibrate.thresholds import choose
from training.calibrate.trials import GRID, Stage, Table, Trial

DELTA = 0.05
#: What a stage costs, relative to the large model; a field left in review costs as much as the large model.
STAGE_COST = np.array([0.005, 0.2, 1.0])
REVIEW_COST = 1.0
NEVER = 2.0
LEVELS = 12

Floats = NDArray[np.float64]


class Population:
    """Documents with every stage's stated probability and whether it is right: arrays of shape [documents, stages]."""

    def __init__(self, probability: Floats, right: NDArray[np.bool_]) -> None:
        self.probability, self.right = probability, right

    def __len__(self) -> int:
        return len(self.probability)

    def sample(self, rng: np.random.Generator, size: int) -> Population:
        """Documents drawn with replacement."""
        rows = rng.integers(0, len(self), size)
        return Population(self.probability[rows], self.right[rows])

    def trials(self) -> list[Trial]:
        """The documents as calibration sees them."""
        return [
            Trial(tuple(map(Stage, probabilities, rights)))
            for probabilities, rights in zip(self.probability.tolist(), self.right.tolist(), strict=True)
        ]

    def judge(self, thresholds: Sequence[float]) -> tuple[float, float, float]:
        """Share accepted, share wrong among accepted, and mean cost at one threshold a stage."""
        passes = self.probability >= np.asarray(thresholds)
        stage = np.where(passes.any(axis=1), passes.argmax(axis=1), len(STAGE_COST))
        accepted = stage < len(STAGE_COST)
        right = self.right[np.arange(len(self)), np.minimum(stage, len(STAGE_COST) - 1)]
        cost = np.append(np.cumsum(STAGE_COST), STAGE_COST.sum() + REVIEW_COST)[stage].mean()
        wrong = float((accepted & ~right).sum() / max(1, accepted.sum()))
        return float(accepted.mean()), wrong, float(cost)


def population(rng: np.random.Generator, size: int, sharpness: float, boast: float) -> Population:
    """``sharpness``: how well a stage tells easy from hard; ``boast``: exponent below 1 overstates probabilities."""
    easy = rng.random(size)
    noise = np.stack([rng.normal(0, 0.35 - 0.1 * stage, size) for stage in range(3)], axis=1)
    seen = np.clip(easy[:, None] + noise, 0, 1)
    true = 1 / (1 + np.exp(-sharpness * (seen - 0.25)))
    return Population(true**boast, rng.random((size, 3)) < true)


def optional_field(rng: np.random.Generator, size: int, sharpness: float, boast: float, absent: float) -> list[Trial]:
    """As :func:`population`, for a field that the share ``absent`` of the documents lacks. Where it is absent, a wrong
    answer is a value; where it is not, every other wrong answer is that it is absent."""
    base = population(rng, size, sharpness, boast)
    lacks = rng.random(size) < absent
    missed = rng.random((size, 3)) < 0.5
    present = np.where(lacks[:, None], ~base.right, base.right | ~missed)
    return [
        Trial(tuple(map(Stage, probabilities, rights, kinds)))
        for probabilities, rights, kinds in zip(
            base.probability.tolist(), base.right.tolist(), present.tolist(), strict=True
        )
    ]


def measure_optional(
    rng: np.random.Generator, target: float, fitting: int, calibration: int, boast: float, absent: float, repeats: int
) -> dict[str, object]:
    """How often values and absences are certified, and how often a certificate is wrong, over the repeats."""
    everyone = optional_field(rng, 20_000, 14.0, boast, absent)
    table = Table(everyone)
    known: dict[tuple[float, float | None], NDArray[np.int64]] = {}
    counts = dict.fromkeys(("certified", "broken", "certified_absent", "broken_absent"), 0)
    for _ in tqdm(range(repeats), desc=f"optional, target {target}, {calibration} documents", mininterval=5):
        learned, held_out = (
            [everyone[row] for row in rng.integers(0, len(everyone), size)] for size in (fitting, calibration)
        )
        found = choose(learned, held_out, target, DELTA)
        value = found.value if found.certified or found.steer is None else found.steer
        pair = value, found.absent.value if found.absent else None
        if pair not in known:
            known[pair] = table.count(value, [pair[1]])[0]
        present, present_errors, absences, absent_errors = known[pair][:4]
        counts["certified"] += found.certified
        counts["broken"] += bool(found.certified and present_errors > (1 - target) * present)
        counts["certified_absent"] += found.accepts_absence
        counts["broken_absent"] += bool(found.accepts_absence and absent_errors > (1 - target) * absences)
    allowed = round(repeats * DELTA + 3 * math.sqrt(repeats * DELTA * (1 - DELTA)), 1)
    about = {"target": target, "fitting": fitting, "calibration": calibration, "boast": boast, "absent": absent}
    return {**about, "repeats": repeats, **counts, "allowed_broken": allowed}


def per_stage(fitting: Population, calibration: Population, risk: float) -> tuple[float, ...] | None:
    """The vector search (see the module's docstring), or ``None`` when nothing is certified."""
    levels = [
        np.append(NEVER, np.unique(np.quantile(fitting.probability[:, stage], np.linspace(0, 1, LEVELS)))[::-1])
        for stage in range(3)
    ]
    judged = [(vector, *counts(fitting, vector)) for vector in itertools.product(*levels)]
    path: list[tuple[float, ...]] = []
    promises: list[float] = []
    scale = len(calibration) / len(fitting)
    for allowed in np.geomspace(0.1, 2.0, 24) * risk:
        usable = [entry for entry in judged if entry[1] and entry[2] + 0.5 <= allowed * entry[1]]
        if not usable:
            continue
        vector, accepted, errors, _ = min(usable, key=lambda entry: entry[3])
        if not path or vector != path[-1]:
            path.append(vector)
            promises.append(binomial_tail(round((errors + 0.5) * scale), int(accepted * scale), risk))
    certified = None
    for vector in path[promises.index(min(promises)) :] if path else []:
        accepted, errors, _ = counts(calibration, vector)
        if not accepted or binomial_tail(errors, accepted, risk) > DELTA:
            break
        certified = vector
    return certified


def counts(found: Population, vector: Sequence[float]) -> tuple[int, int, float]:
    accepted, wrong, cost = found.judge(vector)
    number = round(accepted * len(found))
    return number, round(wrong * number), cost


def naive(calibration: Population, risk: float) -> float:
    """The laxest threshold that kept the target on the calibration documents."""
    kept = [value for value in GRID if calibration.judge((value,) * 3)[1] <= risk]
    return min(kept, default=GRID[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument(
        "--vector-repeats", type=int, default=60, help="repeats with the per-stage search, which is slow"
    )
    parser.add_argument("--optional", action="store_true", help="a field that most documents lack, instead")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write_json(
        options.out,
        {
            "what": "certified thresholds on simulated tiers; see the docstring of benchmarks/thresholds.py",
            "command": command_line(sys.argv),
            "seed": options.seed,
            "delta": DELTA,
            "hardware": hardware(),
            "versions": versions(),
            "rows": optional_rows(options) if options.optional else plain_rows(options),
        },
    )


def plain_rows(options: argparse.Namespace) -> list[dict[str, object]]:
    rows = []
    for boast, target, (fitting, calibration) in itertools.product(
        (1.0, 0.5), (0.9, 0.95, 0.97), ((374, 125), (374, 600), (1500, 1500))
    ):
        rng = np.random.default_rng([options.seed, round(100 * boast), round(100 * target), calibration])
        everyone = population(rng, 50_000, 14.0, boast)
        rows.append(measure(everyone, rng, target, fitting, calibration, options) | {"boast": boast})
    return rows


def optional_rows(options: argparse.Namespace) -> list[dict[str, object]]:
    rows = []
    for boast, target, (fitting, calibration, absent) in itertools.product(
        (1.0, 0.5), (0.9, 0.95, 0.97), ((374, 600, 0.8), (1500, 1500, 0.8), (1500, 1500, 0.97))
    ):
        seed = [options.seed, round(100 * boast), round(100 * target), calibration, round(100 * absent)]
        rng = np.random.default_rng(seed)
        rows.append(measure_optional(rng, target, fitting, calibration, boast, absent, options.repeats))
    return rows


def measure(
    everyone: Population,
    rng: np.random.Generator,
    target: float,
    fitting: int,
    calibration: int,
    options: argparse.Namespace,
) -> dict[str, object]:
    """One setting: what each way of choosing comes to, over the repeats."""
    risk = 1 - target
    best = min(
        (judged for value in GRID if (judged := everyone.judge((value,) * 3))[1] <= risk),
        key=lambda judged: judged[2],
        default=None,
    )
    known: dict[float, tuple[float, float, float]] = {}

    def truth(value: float) -> tuple[float, float, float]:
        if value not in known:
            known[value] = everyone.judge((value,) * 3)
        return known[value]

    found: dict[str, list[tuple[float, float, float] | None]] = {"certified": [], "per-stage": [], "naive": []}
    for repeat in tqdm(range(options.repeats), desc=f"target {target}, {calibration} documents", mininterval=5):
        learned, held_out = everyone.sample(rng, fitting), everyone.sample(rng, calibration)
        threshold = choose(learned.trials(), held_out.trials(), target, DELTA)
        found["certified"].append(truth(threshold.value) if threshold.certified else None)
        found["naive"].append(truth(naive(held_out, risk)))
        if repeat < options.vector_repeats:
            vector = per_stage(learned, held_out, risk)
            found["per-stage"].append(everyone.judge(vector) if vector else None)
    nothing = (0.0, 0.0, float(STAGE_COST.sum() + REVIEW_COST))
    ways = {}
    for way, results in found.items():
        outcomes = [result or nothing for result in results]
        broken = sum(wrong > risk for _, wrong, _ in outcomes)
        ways[way] = {
            "repeats": len(results),
            "certified": sum(result is not None for result in results),
            "broken": broken,
            "allowed_broken": round(len(results) * DELTA + 3 * math.sqrt(len(results) * DELTA * (1 - DELTA)), 1),
            "accepted": round(float(np.mean([accepted for accepted, _, _ in outcomes])), 4),
            "cost": round(float(np.mean([cost for _, _, cost in outcomes])), 4),
        }
    hindsight = None if best is None else {"accepted": round(best[0], 4), "cost": round(best[2], 4)}
    return {"target": target, "fitting": fitting, "calibration": calibration, "ways": ways, "hindsight": hindsight}


if __name__ == "__main__":
    main()
