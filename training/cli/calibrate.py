"""``cascade calibrate``: refit combiners and thresholds without training."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from gateway.cli.main import current_home
from gateway.document import TierName
from gateway.evaluation.dataset import file_digest, read_dataset
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.split import Split
from gateway.tiers.base import Tier


@click.command()
@click.argument("task")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled documents, JSON Lines.")
@click.option("--part", default="calibration", show_default=True, help="The part thresholds are certified on.")
@click.option(
    "--target",
    "targets",
    type=click.FloatRange(0.5, 0.9999),
    multiple=True,
    help="Quality targets; by default those of the recipe the models were trained with.",
)
@click.option(
    "--allow-seen", is_flag=True, help="Certify on documents the task was trained on (the guarantee is then void)."
)
def calibrate(task: str, data: Path, part: str, targets: tuple[float, ...], allow_seen: bool) -> None:
    """Fit the confidence combiners on the development part and certify accept thresholds on PART.

    Takes minutes: models are run once over both parts, and their outputs are kept for the next time.
    """
    from gateway.tiers.forms import Forms
    from gateway.tiers.loading import load_model_tiers
    from gateway.tiers.rules.tier import RulesTier
    from training.card import update_certified
    from training.cli.train import _show
    from training.pipeline import OUT_OF_FOLD, calibrate_task, out_of_fold, write_split
    from training.recipe import load_recipe, recipe_of

    home = current_home()
    spec = home.task(task)
    kept = home.models / task / "recipe.yaml"
    recipe = load_recipe(kept if kept.is_file() else recipe_of(task))
    targets = targets or recipe.targets
    documents = read_dataset(data)
    check_labels(spec, documents)
    path = home.models / task / "split.json"
    if not path.is_file() and not any((path.parent / tier).is_dir() for tier in ("student", "large")):
        # A task of rules alone was never trained; its documents are divided here. Of models without a split nobody
        # knows what they have seen.
        write_split(path, spec, documents, recipe.split, file_digest(data))
        click.echo(f"{path}: written; documents keep their part from now on", err=True)
    split = Split.load(path)
    held_out = split.select(documents, part)
    if not allow_seen:
        split.refuse_seen(held_out)
    tiers: dict[TierName, Tier] = {"rules": RulesTier.load(home.rules, spec)}
    for name, (tier, status) in load_model_tiers(home, spec).items():
        if tier is not None:
            tiers[name] = tier
        else:
            click.echo(f"calibrating without {name}: {status.problem}", err=True)
    models = home.models / task
    development = split.select(documents, "development")
    learned_from = [*split.select(documents, "train"), *development]
    policy = calibrate_task(
        spec,
        tiers,
        development,
        held_out,
        targets,
        home.path / ".cascade" / "train" / task / "outputs",
        {
            "command": shlex.join(["cascade", *sys.argv[1:]]),
            "data_sha256": file_digest(data),
            "part": part,
            "seen_allowed": allow_seen,
        },
        out_of_fold=out_of_fold(models / OUT_OF_FOLD, spec, Forms.load(models / "forms.json"), learned_from),
    )
    policy.save(home.models / task / "policy.json")
    update_certified(home.models / task / "CARD.md", spec, policy)
    _show(policy)
