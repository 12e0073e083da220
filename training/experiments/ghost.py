"""The experiment of "Train longer, generalize better" in small, on a convolutional student with batch normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from training.experiments.jobs import Experiment, Job, Options, Summary, by_seed, plain_job
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.plateau import EPOCHS
from training.experiments.running import Setting
from training.experiments.tables import compared, difference, equal, interval, markdown, points, runs, times
from training.loop import epoch_batches

SMALL, LARGE = "small batch", "large batch"
SCALED, GHOST, LONGER = "large, rate scaled", "large, rate scaled, ghosts", "large, rate scaled, ghosts, longer"
#: "Longer" costs as many epochs more as the batch is larger, so it has fewer seeds.
FAMILY, SEEDS, LONGER_SEEDS = "conv-4x96", 8, 3
#: Padded tokens of the small batch, how many times as large the large one is, and examples that are sorted by length
#: together: so many large batches that the one which a pool's end cuts short hardly counts.
TOKENS, TIMES, POOL = 480, 8, 4096


def updates_of(lengths: Sequence[int], setting: Setting) -> int:
    """The updates that a training on examples of these lengths makes."""
    loop = setting.loop(soft=False)
    return sum(len(epoch_batches(lengths, [False] * len(lengths), loop, epoch)) for epoch in range(loop.epochs))


def examples_of(lengths: Sequence[int], setting: Setting) -> int:
    """How many examples a batch has on average."""
    return max(1, round(len(lengths) * setting.epochs / updates_of(lengths, setting)))


def settings(lengths: Sequence[int], options: Options, seed: int) -> dict[str, Setting]:
    """The steps of the paper, each added to the one before; "longer" makes about as many updates as the small batch.

    The rate is scaled by √8: the paper's rule for SGD, and the rule for Adam, which trains here. A ghost has as many
    examples as the small batch on average.
    """
    epochs, small = options.epochs or EPOCHS, options.token_budget or TOKENS
    plain = replace(options, epochs=None, token_budget=None)
    rate = math.sqrt(TIMES)
    first = plain.setting(FAMILY, epochs, seed, token_budget=small, pool=POOL)
    # Counted with seed 0, so that all seeds have ghosts of one size.
    ghosts = (f"ghost_norm ghost={examples_of(lengths, replace(first, seed=0, epochs=1))}",)
    large = replace(first, token_budget=small * TIMES)
    scaled = replace(large, rate=first.rate * rate)
    ghost = replace(scaled, methods=ghosts)
    return {
        SMALL: first,
        LARGE: large,
        SCALED: scaled,
        GHOST: ghost,
        LONGER: replace(ghost, epochs=epochs * TIMES),
    }


def jobs(material: Material, options: Options) -> list[Job]:
    """Each step with each seed, the last with fewer; ``--full``: with all."""
    lengths = [len(example.ids) for example in material.view(options.find(FAMILY)).of(None)]
    return by_seed(
        [
            plain_job(material, variant, setting)
            for seed in options.range(SEEDS)
            for variant, setting in settings(lengths, options, seed).items()
            if variant != LONGER or options.full or seed < LONGER_SEEDS
        ]
    )


def summarise(rows: Sequence[Row]) -> Summary:
    """Each step beside the small batch, and beside the step before it."""
    names = [name for name in (SMALL, LARGE, SCALED, GHOST, LONGER) if any(row["variant"] == name for row in rows)]
    return {
        "reference": SMALL,
        "variants": compared(rows, SMALL),
        "beside_previous": {step: difference(rows, step, before) for before, step in pairwise(names)},
    }


def table(summary: Summary) -> str:
    """F1 and updates by step."""
    rows = [
        [
            variant,
            runs(found),
            f"{found.get('updates', 0):.0f}",
            points(found.get("f1")),
            interval(found.get("f1_difference")),
            equal(found),
            interval(summary["beside_previous"].get(variant)),
            times(found.get("cpu_seconds_ratio")),
        ]
        for variant, found in summary["variants"].items()
    ]
    header = [
        "training",
        "runs",
        "updates",
        "F1",
        "beside small (95 %)",
        "equal within ± 0.3",
        "beside the step before",
        "CPU time",
    ]
    return markdown(header, rows)


GHOSTS = Experiment(
    "ghost",
    f"large batches with scaled rate, ghosts and longer training on {FAMILY}, a student with batch normalisation",
    jobs,
    summarise,
    table,
    Path("training/methods/ghost_norm/CARD.md"),
)
