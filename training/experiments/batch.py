"""Batch sizes and ramps on a student without batch normalisation, and the gradient noise scale beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.experiments.jobs import Experiment, Job, Options, Summary, by_seed, plain_job
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.tables import compared, interval, markdown, mean_of, points, times

SMALL = "fixed 1"
FAMILY, EPOCHS, SEEDS = "narrow-2x96", 8, 8
#: Variant to the loop's lines. Sizes multiply the small batch.
VARIANTS: dict[str, tuple[str, ...]] = {
    SMALL: (),
    "fixed 4, rate √4": ("batch_ramp 4; rate=sqrt warmup=10%",),
    "fixed 8, rate √8": ("batch_ramp 8; rate=sqrt warmup=10%",),
    "ramp 1, 4 at 25 %, 8 at 50 %, rate √": ("batch_ramp 1, 4 at 25%, 8 at 50%; rate=sqrt",),
    "growth for decay, AdamW": ("batch_ramp grow=adamw factor=2 most=16",),
}
MORE: dict[str, tuple[str, ...]] = {
    "fixed 4": ("batch_ramp 4",),
    "fixed 8": ("batch_ramp 8",),
    "fixed 4, rate × 4": ("batch_ramp 4; rate=linear warmup=10%",),
    "fixed 8, rate × 8": ("batch_ramp 8; rate=linear warmup=10%",),
    "fixed 16, rate √16": ("batch_ramp 16; rate=sqrt warmup=10%",),
}
NOISE = "fixed 4, noise scale measured"


def jobs(material: Material, options: Options) -> list[Job]:
    """Every variant with every seed; the noise scale with two. ``--full``: unscaled and linearly scaled rates too."""
    found = []
    variants = {**VARIANTS, **MORE} if options.full else VARIANTS
    for seed in options.range(SEEDS):
        for variant, lines in variants.items():
            setting = options.setting(FAMILY, EPOCHS, seed, methods=lines)
            found.append(plain_job(material, variant, setting))
        if seed < 2:
            setting = options.setting(
                FAMILY, EPOCHS, seed, methods=("batch_ramp 4; rate=sqrt warmup=10%", "noise_scale")
            )
            found.append(plain_job(material, NOISE, setting, slower=1.2))
    return by_seed(found)


def summarise(rows: Sequence[Row]) -> Summary:
    """Each variant beside the small fixed batch, and the noise scale."""
    return {
        "reference": SMALL,
        "variants": compared([row for row in rows if row["variant"] != NOISE], SMALL),
        "noise_scale": mean_of(rows, NOISE, "noise_scale"),
        "suggested_batches": mean_of(rows, NOISE, "suggested_batches"),
    }


def table(summary: Summary) -> str:
    """F1, its paired difference, updates and time by variant."""
    rows = [
        [
            variant,
            str(found["runs"]),
            f"{found.get('updates', 0):.0f}",
            points(found.get("f1")),
            interval(found.get("f1_difference")),
            "" if variant == summary["reference"] else "yes" if found.get("equal_within_0.3") else "not shown",
            times(found.get("wall_seconds_ratio")),
        ]
        for variant, found in summary["variants"].items()
    ]
    header = ["batch", "runs", "updates", "F1", "difference (95 %)", "equal within ± 0.3", "wall time"]
    return f"{markdown(header, rows)}\n\n{noise(summary)}"


def noise(summary: Summary) -> str:
    """What the noise scale was, and the batch it suggests."""
    if summary["noise_scale"] is None:
        return "The noise scale was not measured."
    return (
        f"The noise scale was {summary['noise_scale']:.0f} examples (averaged over training, the last updates counting"
        f" most), which suggests {summary['suggested_batches']:.0f} times the small batch."
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
