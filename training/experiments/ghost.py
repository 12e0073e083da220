"""The experiment of "Train longer, generalize better" in small, on a convolutional student with batch normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.experiments.jobs import Experiment, Job, Options, Summary, by_seed, plain_job
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.tables import compared, interval, markdown, points, times

SMALL, LARGE = "small batch", "large batch"
SCALED, GHOST, LONGER = "large, rate scaled", "large, rate scaled, ghosts", "large, rate scaled, ghosts, longer"
FAMILY, EPOCHS, SEEDS = "conv-4x96", 4, 8
#: Padded tokens of the small batch, how many times as large the large one is, and examples of a ghost: about as many
#: as the small batch has.
TOKENS, TIMES, GHOST_EXAMPLES = 480, 8, 32


def jobs(material: Material, options: Options) -> list[Job]:
    """Each step of the paper added to the one before; "longer" makes as many updates as the small batch does.

    The rate is scaled by √8: the paper's rule for SGD, and the rule for Adam, which trains here.
    """
    rate = math.sqrt(TIMES)
    ghosts = (f"ghost_norm ghost={GHOST_EXAMPLES}",)
    steps: dict[str, tuple[int, float, tuple[str, ...], int]] = {
        SMALL: (1, 1.0, (), 1),
        LARGE: (TIMES, 1.0, (), 1),
        SCALED: (TIMES, rate, (), 1),
        GHOST: (TIMES, rate, ghosts, 1),
        LONGER: (TIMES, rate, ghosts, TIMES),
    }
    small = options.token_budget or TOKENS
    epochs = options.epochs or (2 * EPOCHS if options.full else EPOCHS)
    plain = replace(options, epochs=None, token_budget=None)
    found = [
        plain_job(
            material,
            variant,
            plain.setting(FAMILY, epochs * longer, seed, token_budget=small * size, rate=scale, methods=lines),
        )
        for seed in options.range(SEEDS)
        for variant, (size, scale, lines, longer) in steps.items()
    ]
    return by_seed(found)


def summarise(rows: Sequence[Row]) -> Summary:
    """Each step beside the small batch, and beside the large batch."""
    return {
        "reference": SMALL,
        "variants": compared(rows, SMALL),
        "beside_large": {
            variant: found.get("f1_difference") for variant, found in compared(rows, LARGE).items() if variant != LARGE
        },
    }


def table(summary: Summary) -> str:
    """F1 and updates by step."""
    rows = [
        [
            variant,
            str(found["runs"]),
            f"{found.get('updates', 0):.0f}",
            points(found.get("f1")),
            interval(found.get("f1_difference")),
            interval(summary["beside_large"].get(variant)),
            times(found.get("cpu_seconds_ratio")),
        ]
        for variant, found in summary["variants"].items()
    ]
    return markdown(
        ["training", "runs", "updates", "F1", "beside small (95 %)", "beside large (95 %)", "CPU time"], rows
    )


GHOSTS = Experiment(
    "ghost",
    "large batches with scaled rate, ghosts and longer training on a student with batch normalisation",
    jobs,
    summarise,
    table,
    Path("training/methods/ghost_norm/CARD.md"),
)
