"""``cascade scaling``: fit how loss falls with size and data, and spend a budget by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.errors import DatasetError

if TYPE_CHECKING:
    from training.scaling.allocate import Allocation
    from training.scaling.fit import Fit
    from training.scaling.law import ScalingLaw

CONSTANTS = ("E", "A", "B", "alpha", "beta")


@click.group()
def scaling() -> None:
    """How loss falls with model size and data, and the size a budget should buy."""


@scaling.command()
@click.argument("points", type=click.Path(path_type=Path))
@click.option("--drop-worst", type=click.IntRange(0), default=0, metavar="N", help="Leave out the N largest losses.")
@click.option("--starts", type=click.IntRange(1), default=100, show_default=True, help="Starts of the grid to follow.")
@click.option(
    "--bootstrap", type=click.IntRange(0), default=200, show_default=True, help="Resamples for intervals; 0: none."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the resamples.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which `allocate --law` reads.")
def fit(points: Path, drop_worst: int, starts: int, bootstrap: int, seed: int, as_json: bool) -> None:
    """Fit L(N, D) = E + A/N^α + B/D^β to POINTS.csv (parameters, tokens or flops, loss)."""
    # Imported here so that `cascade --help` does not load scipy.
    from training.scaling.fit import fit as fit_law
    from training.scaling.points import read_points

    found = fit_law(read_points(points).without_worst(drop_worst), starts=starts, bootstrap=bootstrap, seed=seed)
    if as_json:
        click.echo(json.dumps(_fit_json(found), indent=2))
        return
    click.echo(f"{found.points} points, sum of Huber losses {found.objective:.6g}")
    for name in CONSTANTS:
        text = f"{name:6} {getattr(found.law, name):<12.5g}"
        if found.bootstrap:
            low, high = found.interval(name)
            text += f" 95 % interval {low:.5g} to {high:.5g}"
        click.echo(text.rstrip())
    if found.failed:
        click.echo(f"{found.failed} of {bootstrap} resamples have no law; the intervals leave them out", err=True)


@scaling.command()
@click.option(
    "--flops",
    type=click.FloatRange(0, min_open=True),
    required=True,
    help="The training budget C, in floating point operations.",
)
@click.option(
    "--inference-tokens", type=click.FloatRange(0), default=0.0, help="Tokens the model will serve in its life."
)
@click.option(
    "--total",
    is_flag=True,
    help="C pays for serving too: the lowest loss within it, instead of the same loss for less.",
)
@click.option(
    "--law",
    type=click.Path(path_type=Path),
    help="A law written by `cascade scaling fit --json`; by default the published one of Hoffmann et al. 2022.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def allocate(flops: float, inference_tokens: float, total: bool, law: Path | None, as_json: bool) -> None:
    """The parameters and training tokens that a budget should buy.

    With --inference-tokens, the quality that C would buy in training alone is reached at the least total cost, training
    (6ND) and serving (2N a token) together.
    """
    from training.scaling.allocate import allocate as allocate_training
    from training.scaling.allocate import allocate_at_loss, allocate_within
    from training.scaling.law import CHINCHILLA, INFERENCE_FLOPS

    if total and not inference_tokens:
        raise click.UsageError("--total needs --inference-tokens: without serving, C pays for training alone")
    used = CHINCHILLA if law is None else _read_law(law)
    training = allocate_training(used, flops)
    result: dict[str, Any] = {"law": used.as_json(), "training": _allocation_json(training)}
    if total:
        result["total"] = _allocation_json(allocate_within(used, flops, inference_tokens))
    elif inference_tokens:
        served = allocate_at_loss(used, training.loss, inference_tokens)
        alone = training.flops + INFERENCE_FLOPS * training.parameters * inference_tokens
        result["serving"] = {**_allocation_json(served), "saved": 1 - served.flops / alone}
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    if law is None:
        click.echo("law: the published one for language models; fit your own with `cascade scaling fit`", err=True)
    for name, text in (
        ("training", "lowest loss for training alone"),
        ("serving", "same loss, serving counted"),
        ("total", "lowest loss, training and serving within C"),
    ):
        if name in result:
            click.echo(_line(text, result[name]))


def _line(title: str, found: dict[str, float]) -> str:
    text = (
        f"{title}: {found['parameters']:.4g} parameters, {found['tokens']:.4g} training tokens,"
        f" loss {found['loss']:.4f}, {found['training_flops']:.4g} FLOPs of training"
    )
    if found["inference_flops"]:
        text += f" and {found['inference_flops']:.4g} of serving"
    if "saved" in found:
        text += f"; saves {100 * found['saved']:.1f} % of both"
    return text


def _fit_json(found: Fit) -> dict[str, Any]:
    return {
        **found.law.as_json(),
        "objective": found.objective,
        "points": found.points,
        "intervals": {name: found.interval(name) for name in CONSTANTS} if found.bootstrap else {},
        "bootstrap": {"fitted": len(found.bootstrap), "failed": found.failed},
    }


def _allocation_json(found: Allocation) -> dict[str, float]:
    return {
        "parameters": found.parameters,
        "tokens": found.tokens,
        "loss": found.loss,
        "training_flops": found.training_flops,
        "inference_flops": found.inference_flops,
    }


def _read_law(path: Path) -> ScalingLaw:
    from training.scaling.law import ScalingLaw

    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: {error}") from error
    return ScalingLaw.from_json(raw)
