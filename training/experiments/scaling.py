"""Loss by size and data: a grid of students, the law fitted to it, and larger runs predicted from smaller ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gateway.errors import ConfigurationError
from gateway.files import write_text
from training.experiments.jobs import Experiment, Job, Options, Summary, by_seed, plain_job
from training.experiments.ledger import Row, number
from training.experiments.material import Material
from training.experiments.tables import markdown
from training.families import Family
from training.scaling.fit import fit
from training.scaling.points import Points

#: Layers, width and heads of the grid's students; the last two are held out. Widths are whole heads of the base.
SIZES = ((1, 64, 2), (2, 64, 2), (2, 96, 3), (3, 96, 3), (3, 128, 4), (4, 160, 5))
LARGER = ((4, 192, 6), (4, 256, 8))
#: Shares of the training documents that the grid's students learn from; larger ones learn from the last two.
SHARES = (0.125, 0.25, 0.5, 1.0)
EPOCHS = 6
BOOTSTRAP = 200
GRID, HELD_OUT = "grid", "held out"


def family_of(layers: int, width: int, heads: int) -> Family:
    """A narrow student of any size, made as those of the catalogue are."""
    return Family(
        f"narrow-{layers}x{width}",
        "transformer",
        layers,
        width,
        heads,
        pieces="seen",
        starts_from=f"the base's first {layers} layers, their best {width} channels fitted to the base's outputs",
        learning_rate=1e-3,
    )


def jobs(material: Material, options: Options) -> list[Job]:
    """Every size with every share of the documents; larger ones with the larger shares. ``--full``: three seeds."""
    found = []
    for part, sizes, shares in ((GRID, SIZES, SHARES), (HELD_OUT, LARGER, SHARES[-2:])):
        for layers, width, heads in sizes:
            family = family_of(layers, width, heads)
            known = {**options.known, family.name: family}
            own = replace(options, family=family.name, known=known)
            for share in shares:
                for seed in options.range(3 if options.full else 1):
                    documents = nested_share(material, share, seed)
                    setting = own.setting(family.name, EPOCHS, seed)
                    variant = f"{part}: {family.name}, {share:g} of the data"
                    found.append(plain_job(material, variant, setting, documents, share=share))
    # Small ones first: an interrupted grid still covers sizes and data.
    return by_seed(found)


def nested_share(material: Material, share: float, seed: int) -> list[int] | None:
    """A random share of the training documents; a larger share of the same seed holds the smaller one."""
    if share >= 1:
        return None
    order = np.random.default_rng([seed, 1]).permutation(len(material.train))
    return sorted(int(index) for index in order[: max(1, round(share * len(order)))])


def points_of(rows: Sequence[Row], part: str) -> Points:
    """N (parameters without tables), D (tokens seen in all epochs) and held-out loss of the runs of a part."""
    found = [row for row in rows if row["variant"].startswith(part) and row["loss"]]
    columns = [np.array([number(row, column) or 0.0 for row in found]) for column in ("parameters", "tokens", "loss")]
    return Points(*columns)


def summarise(rows: Sequence[Row]) -> Summary:
    """The fit to the grid with 95 % bootstrap intervals, and how well it predicts the runs held out."""
    grid, larger = points_of(rows, GRID), points_of(rows, HELD_OUT)
    summary: Summary = {"runs": len(grid), "held_out_runs": len(larger)}
    try:
        found = fit(grid, starts=100, bootstrap=BOOTSTRAP, seed=0)
    except ConfigurationError as error:
        return {**summary, "no_fit": error.message}
    names = ("E", "A", "B", "alpha", "beta")
    summary["law"] = found.law.as_json()
    summary["intervals"] = {name: list(found.interval(name)) for name in names}
    summary["resamples_without_a_law"] = found.failed
    residuals = np.log(found.law.loss(grid.parameters, grid.tokens)) - np.log(grid.loss)
    summary["residual_rms"] = float(np.sqrt(np.mean(residuals**2)))
    summary["predictions"] = [
        _prediction(found, larger, index) for index in np.lexsort((larger.tokens, larger.parameters))
    ]
    return summary


def _prediction(found: Any, points: Points, index: int) -> dict[str, Any]:
    size, tokens, loss = (float(array[index]) for array in (points.parameters, points.tokens, points.loss))
    predicted = float(found.law.loss(size, tokens))
    low, high = found.predicted(size, tokens)
    return {
        "parameters": size,
        "tokens": tokens,
        "loss": loss,
        "predicted": predicted,
        "low": low,
        "high": high,
        "error": predicted / loss - 1,
    }


def table(summary: Summary) -> str:
    """Constants with their intervals, and predictions beside what was measured."""
    if "no_fit" in summary:
        return f"{summary['runs']} runs; no law fits them: {summary['no_fit']}."
    constants = [
        [name, f"{summary['law'][name]:.4g}", f"{low:.4g} to {high:.4g}"]
        for name, (low, high) in summary["intervals"].items()
    ]
    larger = [
        [
            f"{item['parameters'] / 1e6:.2f} M",
            f"{item['tokens'] / 1e3:.0f} k",
            f"{item['loss']:.4f}",
            f"{item['predicted']:.4f} ({item['low']:.4f} to {item['high']:.4f})",
            f"{100 * item['error']:+.1f} %".replace("-", "−"),
        ]
        for item in summary["predictions"]
    ]
    about = (
        f"{summary['runs']} runs; root mean square of log residuals {summary['residual_rms']:.3f};"
        f" {summary['resamples_without_a_law']} of {BOOTSTRAP} resamples have no law."
    )
    parts = [about, markdown(["constant", "fit", "95 % interval"], constants)]
    if larger:
        parts.append(markdown(["held out: N", "D", "loss", "predicted (95 % interval of the law)", "error"], larger))
    return "\n\n".join(parts)


def write_points(rows: Sequence[Row], path: Path) -> None:
    """The runs as the points that ``cascade scaling fit`` and a recipe's ``size: auto`` read."""
    lines = ["parameters,tokens,loss"]
    for part in (GRID, HELD_OUT):
        found = points_of(rows, part)
        lines += [
            f"{size:.0f},{tokens:.0f},{loss:.8g}"
            for size, tokens, loss in zip(found.parameters, found.tokens, found.loss, strict=True)
        ]
    write_text(path, "\n".join(lines) + "\n")


SCALING = Experiment(
    "scaling",
    "loss by size and data, fitted on small students and checked on larger ones",
    jobs,
    summarise,
    table,
    Path("training/scaling/CARD.md"),
)
