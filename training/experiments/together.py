"""All methods in one recipe, added one after another to the plain one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.data.select.recipe import Selection
from training.experiments.jobs import (
    TOKEN_BUDGET,
    Experiment,
    Job,
    Options,
    Pace,
    Summary,
    by_seed,
    rate_of,
    tokens_of,
)
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.plateau import EPOCHS, LARGER_FAMILY
from training.experiments.running import Bench, Figures, Setting
from training.experiments.scoring import early_epochs, early_errors
from training.experiments.serving import answer_times, exported, served_f1
from training.experiments.tables import compared, difference, interval, markdown, mean_of, points, runs, times
from training.families import Family

PLAIN = "plain"
SEEDS = 3
#: The plain recipe's student and the smaller one; with ``--full`` the default recipe's student and a smaller one.
LARGE, SMALL = "narrow-4x192-seen", LARGER_FAMILY
FULL_LARGE, FULL_SMALL = "truncated-6", "narrow-4x256"
KEEP = 0.7
#: Examples that are sorted by length together: the same for all.
POOL = 512
PRUNED, BESIDE = f"+ the harder {KEEP:.0%} of the data (EL2N)", f"+ a random {KEEP:.0%} of the data instead"


@dataclass(frozen=True)
class Step:
    """A recipe: the family, by which score its data is pruned (``""``: not at all), its methods' lines, and the step
    that it is added to."""

    family: Family
    pruned: str
    lines: tuple[str, ...]
    before: str


def steps(options: Options) -> dict[str, Step]:
    """The recipes, each with one method more. Ghosts are left out: these students have no batch normalisation."""
    names = (FULL_LARGE, FULL_SMALL) if options.full else (LARGE, SMALL)
    large, small = replace(options, family=None).find(names[0]), options.find(names[1])
    ramp = "batch_ramp 1, 4 at 15%, 16 at 40%; rate=sqrt"
    smaller, ramped = "+ a smaller student", "+ batch ramp"
    return {
        PLAIN: Step(large, "", (), ""),
        smaller: Step(small, "", (), PLAIN),
        PRUNED: Step(small, "el2n", (), smaller),
        BESIDE: Step(small, "random", (), smaller),
        ramped: Step(small, "el2n", (ramp,), PRUNED),
        "+ structured SWAT, 50 %": Step(small, "el2n", (ramp, "swat keep=50% structured period=50 until=50%"), ramped),
    }


def jobs(material: Material, options: Options) -> list[Job]:
    """Every step with every seed."""
    return by_seed(
        [
            _job(material, name, step, options, seed)
            for seed in options.range(SEEDS)
            for name, step in steps(options).items()
        ]
    )


def _job(material: Material, name: str, step: Step, options: Options, seed: int) -> Job:
    setting = Setting(
        step.family,
        options.epochs or EPOCHS,
        options.token_budget or TOKEN_BUDGET,
        rate=options.rate * rate_of(step.family),
        methods=step.lines,
        seed=seed,
        pool=POOL,
    )
    # The first that needs scores makes them for all of its seed.
    scoring = early_epochs(setting) if name == PRUNED else 0

    def seconds(pace: Pace) -> float:
        tokens, share = tokens_of(material, step.family), KEEP if step.pruned else 1.0
        training = (share * setting.epochs + scoring) * tokens * pace.training(step.family, setting.token_budget)
        asking = tokens * pace.forward(step.family) if scoring else 0.0
        return 20.0 + training + asking + 3 * pace.judging(step.family)

    def work(bench: Bench) -> Figures:
        chosen, spent = None, 0.0
        if step.pruned:
            scores = None
            if step.pruned == "el2n":
                # Scores come from the same family without methods; what they cost is booked to this recipe.
                scores, spent = early_errors(bench, replace(setting, methods=()))
            # As many epochs as without: what is left out is what is saved.
            chosen = Selection(step.pruned, KEEP, "high", seed=seed).indices(scores, material.present)
        network, figures = bench.train(setting, chosen)
        figures |= bench.evaluate(network, step.family, known=chosen)
        with exported({"student": network}) as files:
            passes = answer_times(files)["student"]
            quality = served_f1(bench, files["student"], step.family, chosen)
        return {
            **figures,
            "scoring_cpu_seconds": round(spent, 2),
            "latency_ms": round(statistics.median(passes), 4),
            "served_f1": round(quality, 4),
        }

    settings = {**setting.describe(), "pruned": step.pruned, "keep": KEEP}
    return Job(name, seed, settings, seconds, work)


def summarise(rows: Sequence[Row]) -> Summary:
    """Each step beside the plain recipe, and beside the step that it is added to."""
    variants = compared(rows, PLAIN)
    before = {name: step.before for name, step in steps(Options()).items()}
    plain_cpu, plain_latency = mean_of(rows, PLAIN, "cpu_seconds"), mean_of(rows, PLAIN, "latency_ms")
    for variant, found in variants.items():
        cpu, scoring = mean_of(rows, variant, "cpu_seconds"), mean_of(rows, variant, "scoring_cpu_seconds")
        if cpu is not None:
            found["cpu_seconds_with_scoring"] = round(cpu + (scoring or 0.0), 1)
            if plain_cpu:
                found["cpu_with_scoring_ratio"] = round((cpu + (scoring or 0.0)) / plain_cpu, 3)
        for column in ("wall_seconds", "served_f1"):
            if (value := mean_of(rows, variant, column)) is not None:
                found[column] = round(value, 3)
        if before.get(variant):
            found["beside_previous"] = difference(rows, variant, before[variant])
        latency = mean_of(rows, variant, "latency_ms")
        if latency is not None and plain_latency:
            found["latency_ms"] = round(latency, 3)
            found["latency_times_faster"] = round(plain_latency / latency, 3)
    return {"reference": PLAIN, "variants": variants}


def table(summary: Summary) -> str:
    """One line a step."""
    rows = [[variant, *_cells(found)] for variant, found in summary["variants"].items()]
    header = [
        "recipe",
        "runs",
        "F1",
        "beside plain (95 %)",
        "beside the step before",
        "F1 as served (int8)",
        "operations",
        "updates",
        "CPU time with scoring",
        "wall time",
        "answers in",
    ]
    return markdown(header, rows)


def _cells(found: dict[str, Any]) -> list[str]:
    seconds = found.get("cpu_seconds_with_scoring")
    return [
        runs(found),
        points(found.get("f1")),
        interval(found.get("f1_difference")),
        interval(found.get("beside_previous")),
        points(found.get("served_f1")),
        times(found.get("flops_ratio")),
        f"{found.get('updates', 0):.0f}",
        "" if seconds is None else f"{seconds:.0f} s ({times(found.get('cpu_with_scoring_ratio'))})",
        f"{found['wall_seconds']:.0f} s" if "wall_seconds" in found else "",
        f"{found['latency_ms']:.2f} ms" if "latency_ms" in found else "",
    ]


TOGETHER = Experiment(
    "together",
    f"the plain recipe ({LARGE}; with `--full` {FULL_LARGE}) and each method added to it",
    jobs,
    summarise,
    table,
    Path("docs/methods.md"),
)
