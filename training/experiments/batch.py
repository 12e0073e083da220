"""Batch sizes and ramps on a student without batch normalisation, and the gradient noise scale beside them.

Each way of making batches has its rate tuned on seeds that are not judged: a rule for the rate is a guess, and a batch
that was given the wrong rate says nothing about its size.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.experiments.jobs import Experiment, Job, Options, Summary, by_seed, plain_job
from training.experiments.ledger import Row, number
from training.experiments.material import Material
from training.experiments.plateau import EPOCHS, FAMILY
from training.experiments.tables import compared, equal, interval, markdown, mean_of, points, runs, times

SMALL = "fixed 1"
SEEDS = 8
#: Seeds on which rates are tuned, and what the rate of a variant's rule is multiplied by there.
TUNING_SEEDS, RATES = (100, 101), (1.0, 0.6)
#: Examples that are sorted by length together: the same for all, and more than the largest batch has.
POOL = 512
#: Variant to the loop's lines. Sizes multiply the small batch.
VARIANTS: dict[str, tuple[str, ...]] = {
    SMALL: (),
    "fixed 4, rate √": ("batch_ramp 4; rate=sqrt warmup=10%",),
    "fixed 8, rate √": ("batch_ramp 8; rate=sqrt warmup=10%",),
    "ramp 1, 4 at 15 %, 16 at 40 %, rate √": ("batch_ramp 1, 4 at 15%, 16 at 40%; rate=sqrt",),
}
MORE: dict[str, tuple[str, ...]] = {
    "growth for decay, AdamW": ("batch_ramp grow=adamw factor=2 most=16",),
    "fixed 4, rate × 4": ("batch_ramp 4; rate=linear warmup=10%",),
    "fixed 8, rate × 8": ("batch_ramp 8; rate=linear warmup=10%",),
    "fixed 16, rate √": ("batch_ramp 16; rate=sqrt warmup=10%",),
}
#: The variant in whose tuning the noise scale is measured: it changes nothing but time, and tuning is not timed.
MEASURED = "fixed 4, rate √"
#: Updates before which the noise scale's running averages are not settled.
SETTLED = 300
TUNING = "tuning: "


def tuning_name(variant: str, factor: float) -> str:
    """The name of a variant's tuning run."""
    return f"{TUNING}{variant}, × {factor:g}"


def tuned(rows: Sequence[Row], variant: str) -> float | None:
    """The factor of :data:`RATES` with the better mean F1 over the tuning seeds; ``None`` while runs are missing.

    A rate at which a seed diverged is never taken before one at which none did.
    """
    best: list[tuple[float, float]] = []
    for factor in RATES:
        own = [row for row in rows if row["variant"] == tuning_name(variant, factor)]
        if {int(row["seed"]) for row in own} != set(TUNING_SEEDS):
            return None
        found = [number(row, "f1") for row in own]
        known = [value for value in found if value is not None]
        best.append((statistics.fmean(known) if len(known) == len(own) else -math.inf, factor))
    return max(best, key=lambda item: item[0])[1]


def jobs(material: Material, options: Options) -> list[Job]:
    """Tuning runs, and every variant at its better rate with every seed. ``--full``: growth in place of decay (which
    from the small batch cannot make three times fewer updates), linearly scaled rates and a still larger batch too."""
    variants = {**VARIANTS, **MORE} if options.full else VARIANTS
    tuning, judged = [], []
    for variant, lines in variants.items():
        for factor in RATES:
            for seed in TUNING_SEEDS:
                more = ("noise_scale",) if variant == MEASURED else ()
                setting = options.setting(FAMILY, EPOCHS, seed, rate=factor, methods=(*lines, *more), pool=POOL)
                tuning.append(plain_job(material, tuning_name(variant, factor), setting, slower=1.2 if more else 1.0))
        best = tuned(options.rows, variant)
        for seed in options.range(SEEDS):
            setting = options.setting(FAMILY, EPOCHS, seed, rate=best or RATES[0], methods=lines, pool=POOL)
            judged.append(plain_job(material, variant, setting, ready=best is not None))
    # Tuning first, whatever its seeds: the others wait for it.
    return [*tuning, *by_seed(judged)]


def summarise(rows: Sequence[Row]) -> Summary:
    """Each variant beside the small fixed batch, its tuned rate, and the noise scale."""
    variants = compared([row for row in rows if not row["variant"].startswith(TUNING)], SMALL)
    for variant, found in variants.items():
        found["rate"] = tuned(rows, variant)
    name = tuning_name(MEASURED, RATES[0])
    return {
        "reference": SMALL,
        "variants": variants,
        "noise_scale": mean_of(rows, name, "noise_scale"),
        "suggested_batches": mean_of(rows, name, "suggested_batches"),
        "noise_updates": mean_of(rows, name, "updates"),
    }


def table(summary: Summary) -> str:
    """F1, its paired difference, updates and time by variant."""
    rows = [
        [
            variant,
            "" if found["rate"] is None else f"× {found['rate']:g}",
            runs(found),
            f"{found.get('updates', 0):.0f}",
            fewer(found.get("updates_ratio")),
            points(found.get("f1")),
            interval(found.get("f1_difference")),
            equal(found),
            times(found.get("cpu_seconds_ratio")),
        ]
        for variant, found in summary["variants"].items()
    ]
    header = ["batch", "rate", "runs", "updates", "fewer", "F1", "difference (95 %)", "equal within ± 0.3", "CPU time"]
    about = (
        "The rate is what the family's own, scaled by the variant's rule, is multiplied by: the better of"
        f" {' and '.join(f'{factor:g}' for factor in RATES)} on seeds {' and '.join(map(str, TUNING_SEEDS))}, which"
        " are not judged."
    )
    return f"{markdown(header, rows)}\n\n{about}\n\n{noise(summary)}"


def fewer(ratio: float | None) -> str:
    """How many times fewer updates."""
    return times(1 / ratio) if ratio else ""


def noise(summary: dict[str, Any]) -> str:
    """What the noise scale was, and the batch it suggests."""
    if summary["noise_scale"] is None:
        return "The noise scale was not measured."
    updates = summary["noise_updates"] or 0
    settled = "" if updates >= SETTLED else f" It is not settled: {updates:.0f} updates are fewer than {SETTLED}."
    return (
        f"The noise scale was {summary['noise_scale']:.0f} examples (averaged over training, the last updates counting"
        f" most), which suggests {summary['suggested_batches']:.0f} times the small batch.{settled}"
    )


BATCH = Experiment(
    "batch",
    "larger, growing and rescaled batches beside a small fixed one",
    jobs,
    summarise,
    table,
    Path("training/methods/batch_ramp/CARD.md"),
    ((Path("training/methods/noise_scale/CARD.md"), noise),),
)
