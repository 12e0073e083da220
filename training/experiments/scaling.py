"""Loss by size and data: a grid of students, the law fitted to it, and larger runs predicted from smaller ones."""

from __future__ import annotations

import json
import math
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
from training.experiments.plateau import EPOCHS, seen_family
from training.experiments.tables import markdown
from training.families import Family
from training.scaling.fit import Fit, fit
from training.scaling.points import Points

#: Layers, width and heads of the grid's students; the last two are held out. Widths are whole heads of the base.
SIZES = ((1, 64, 2), (2, 64, 2), (2, 96, 3), (3, 96, 3), (3, 128, 4), (4, 160, 5))
LARGER = ((4, 192, 6), (4, 256, 8))
#: Shares of the training documents that the grid's students learn from; larger ones learn from the last two.
SHARES = (0.125, 0.25, 0.5, 1.0)
BOOTSTRAP = 200
GRID, HELD_OUT = "grid", "held out"
#: Standard deviations on each side of a 95 % interval.
NORMAL = 1.96
#: The smallest sizes have a second seed: cheap runs that say how much seeds differ.
TWICE = SIZES[:3]


def family_of(layers: int, width: int, heads: int) -> Family:
    """A narrow student of any size."""
    return seen_family(layers, width, heads, f"narrow-{layers}x{width}")


def jobs(material: Material, options: Options) -> list[Job]:
    """Every size with every share of the documents, the smallest with two seeds; larger ones with the larger shares.
    ``--full``: three seeds of all."""
    found = []
    for part, sizes, shares in ((GRID, SIZES, SHARES), (HELD_OUT, LARGER, SHARES[-2:])):
        for layers, width, heads in sizes:
            family = family_of(layers, width, heads)
            known = {**options.known, family.name: family}
            own = replace(options, family=family.name, known=known)
            seeds = 3 if options.full else 2 if (layers, width, heads) in TWICE else 1
            for share in shares:
                for seed in options.range(seeds):
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
    """The fit to the grid with 95 % bootstrap intervals, and how well it predicts the runs held out, beside the naive
    guess that they are as good as the grid's largest size on as much data."""
    own = [row for row in rows if row["variant"].startswith(GRID) and row["loss"]]
    grid, larger = points_of(rows, GRID), points_of(rows, HELD_OUT)
    summary: Summary = {"runs": len(grid), "held_out_runs": len(larger)}
    try:
        # Seeds of one size and share stand or fall together.
        found = fit(grid, starts=100, bootstrap=BOOTSTRAP, seed=0, groups=[row["variant"] for row in own])
    except ConfigurationError as error:
        return {**summary, "no_fit": error.message}
    names = ("E", "A", "B", "alpha", "beta")
    summary["law"] = found.law.as_json()
    summary["intervals"] = {name: list(found.interval(name)) for name in names}
    summary["resamples_without_a_law"] = found.failed
    residuals = np.log(found.law.loss(grid.parameters, grid.tokens)) - np.log(grid.loss)
    summary["residual_rms"] = float(np.sqrt(np.mean(residuals**2)))
    scatter = float(np.sqrt(np.sum(residuals**2) / max(1, len(grid) - len(names))))
    naive = _largest_at(own)
    held_out = [row for row in rows if row["variant"].startswith(HELD_OUT) and row["loss"]]
    predictions = [
        _prediction(found, larger, index, scatter, naive.get(_share(held_out[index])))
        for index in np.lexsort((larger.tokens, larger.parameters))
    ]
    summary["predictions"] = predictions
    if predictions:
        summary["error_rms"] = _rms([item["error"] for item in predictions])
        known = [item["naive_error"] for item in predictions if item["naive_error"] is not None]
        summary["naive_error_rms"] = _rms(known) if known else None
    return summary


def _rms(errors: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def _share(row: Row) -> float:
    return float(json.loads(row["settings"])["share"])


def _largest_at(rows: Sequence[Row]) -> dict[float, float]:
    """The mean loss of the largest size among these rows, by share of the data."""
    largest = max(number(row, "parameters") or 0.0 for row in rows)
    found: dict[float, list[float]] = {}
    for row in rows:
        if number(row, "parameters") == largest:
            found.setdefault(_share(row), []).append(number(row, "loss") or 0.0)
    return {share: float(np.mean(losses)) for share, losses in found.items()}


def _prediction(found: Fit, points: Points, index: int, scatter: float, naive: float | None) -> dict[str, Any]:
    """A held-out run beside its prediction. The interval is for a single run: the law's own, and the scatter of single
    runs around it, which is taken to be normal in the logarithm of the loss."""
    size, tokens, loss = (float(array[index]) for array in (points.parameters, points.tokens, points.loss))
    predicted = float(found.law.loss(size, tokens))
    low, high = found.predicted(size, tokens)
    below, above = (
        math.hypot(abs(math.log(edge / predicted)) if beyond else 0.0, NORMAL * scatter)
        for edge, beyond in ((low, low < predicted), (high, high > predicted))
    )
    return {
        "parameters": size,
        "tokens": tokens,
        "loss": loss,
        "predicted": predicted,
        "low": predicted * math.exp(-below),
        "high": predicted * math.exp(above),
        "error": predicted / loss - 1,
        "naive": naive,
        "naive_error": None if naive is None else naive / loss - 1,
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
            _percent(item["error"]),
            "" if item["naive"] is None else f"{item['naive']:.4f}",
            "" if item["naive_error"] is None else _percent(item["naive_error"]),
        ]
        for item in summary["predictions"]
    ]
    about = (
        f"{summary['runs']} runs; root mean square of log residuals {summary['residual_rms']:.3f};"
        f" {summary['resamples_without_a_law']} of {BOOTSTRAP} resamples have no law."
    )
    parts = [about, markdown(["constant", "fit", "95 % interval"], constants)]
    if larger:
        header = ["held out: N", "D", "loss", "predicted (95 % interval of a run)", "error", "naive", "its error"]
        parts.append(markdown(header, larger))
        parts.append(
            "Naive: the loss of the grid's largest size on the same share of the data. Root mean square of errors:"
            f" {_percent(summary['error_rms'])} for the law"
            + (f", {_percent(summary['naive_error_rms'])} naively." if summary["naive_error_rms"] is not None else ".")
        )
    return "\n\n".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


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
