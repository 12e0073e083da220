"""All methods in one recipe, added one after another to the plain one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training.data.select.recipe import Selection
from training.experiments.jobs import Experiment, Job, Options, Pace, Summary, by_seed, rate_of, tokens_of
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.pruning import stretched
from training.experiments.running import Bench, Figures, Setting
from training.experiments.scoring import early_errors
from training.experiments.serving import answer_times
from training.experiments.tables import compared, interval, markdown, mean_of, points, times
from training.families import Family

PLAIN = "plain"
EPOCHS, SEEDS = 6, 3
#: The plain recipe's student and the smaller one; with ``--full`` the default recipe's student and a smaller one.
LARGE, SMALL = "narrow-4x192", "narrow-3x128"
FULL_LARGE, FULL_SMALL = "truncated-6", "narrow-4x256"
KEEP = 0.7


@dataclass(frozen=True)
class Step:
    """A recipe: the family, whether its data is pruned, and its methods' lines."""

    family: Family
    pruned: bool
    lines: tuple[str, ...]


def steps(options: Options) -> dict[str, Step]:
    """The recipes, each with one method more. Ghosts are left out: these students have no batch normalisation."""
    names = (FULL_LARGE, FULL_SMALL) if options.full else (LARGE, SMALL)
    large, small = (replace(options, family=None).find(name) for name in names)
    small = options.find(names[1])
    ramp = "batch_ramp 1, 2 at 25%, 4 at 50%; rate=sqrt"
    return {
        PLAIN: Step(large, False, ()),
        "+ a smaller student": Step(small, False, ()),
        f"+ the harder {KEEP:.0%} of the data (EL2N)": Step(small, True, ()),
        "+ batch ramp": Step(small, True, (ramp,)),
        "+ structured SWAT, 50 %": Step(small, True, (ramp, "swat keep=50% structured period=50 until=50%")),
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
        options.token_budget or 800,
        rate=options.rate * rate_of(step.family),
        methods=step.lines,
        seed=seed,
    )

    def seconds(pace: Pace) -> float:
        tokens, share = tokens_of(material, step.family), KEEP if step.pruned else 1.0
        epochs = stretched(setting.epochs, share) * share
        return 20.0 + epochs * tokens * pace.training(step.family) + pace.judging(step.family)

    def work(bench: Bench) -> Figures:
        chosen, spent, epochs = None, 0.0, setting.epochs
        if step.pruned:
            # Scores come from the same family without methods; what they cost is booked to this recipe.
            scores, spent = early_errors(bench, replace(setting, methods=()))
            chosen = Selection("el2n", KEEP, "high", seed=seed).indices(scores, material.present)
            epochs = stretched(setting.epochs, KEEP)
        trained = replace(setting, epochs=epochs)
        network, figures = bench.train(trained, chosen)
        figures |= bench.evaluate(network, step.family)
        passes = answer_times({"student": network})["student"]
        return {
            **figures,
            "scoring_cpu_seconds": round(spent, 2),
            "latency_ms": round(statistics.median(passes), 4),
        }

    settings = {**setting.describe(), "pruned": step.pruned, "keep": KEEP, "data": material.data_digest}
    return Job(name, seed, settings, seconds, work)


def summarise(rows: Sequence[Row]) -> Summary:
    """Each step beside the plain recipe."""
    variants = compared(rows, PLAIN)
    plain_cpu, plain_latency = mean_of(rows, PLAIN, "cpu_seconds"), mean_of(rows, PLAIN, "latency_ms")
    for variant, found in variants.items():
        cpu, scoring = mean_of(rows, variant, "cpu_seconds"), mean_of(rows, variant, "scoring_cpu_seconds")
        if plain_cpu and cpu is not None:
            found["cpu_with_scoring_ratio"] = round((cpu + (scoring or 0.0)) / plain_cpu, 3)
        latency = mean_of(rows, variant, "latency_ms")
        if latency is not None and plain_latency:
            found["latency_ms"] = round(latency, 3)
            found["latency_times_faster"] = round(plain_latency / latency, 3)
    return {"reference": PLAIN, "variants": variants}


def table(summary: Summary) -> str:
    """One line a step."""
    rows = [
        [
            variant,
            points(found.get("f1")),
            interval(found.get("f1_difference")),
            times(found.get("flops_ratio")),
            times(found.get("cpu_with_scoring_ratio")),
            f"{found.get('updates', 0):.0f}",
            f"{found['latency_ms']:.2f} ms" if "latency_ms" in found else "",
        ]
        for variant, found in summary["variants"].items()
    ]
    header = ["recipe", "F1", "beside plain (95 %)", "operations", "CPU time with scoring", "updates", "answers in"]
    return markdown(header, rows)


TOGETHER = Experiment(
    "together",
    "the plain recipe and each method added to it",
    jobs,
    summarise,
    table,
    Path("docs/methods.md"),
)
