"""``cascade calibrate``: refit combiners and thresholds without training."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click

from gateway.cli.main import current_home
from gateway.document import TierName
from gateway.errors import PolicyError
from gateway.evaluation.charts import default_directory, write_charts
from gateway.evaluation.dataset import files_digest, read_datasets
from gateway.evaluation.metrics import check_labels
from gateway.evaluation.split import Split
from gateway.home import Home
from gateway.policy import Policy
from gateway.settings import Settings
from gateway.task import TaskSpec
from gateway.tiers.base import Tier


@click.command()
@click.argument("task")
@click.option(
    "--data",
    "files",
    type=click.Path(path_type=Path),
    required=True,
    multiple=True,
    help="Labelled documents, JSON Lines; several times for several files.",
)
@click.option("--part", default="calibration", show_default=True, help="The part thresholds are certified on.")
@click.option(
    "--target",
    "targets",
    type=click.FloatRange(0.5, 0.9999),
    multiple=True,
    help="Quality targets; by default those of the recipe the models were trained with.",
)
@click.option(
    "--large",
    "modes",
    type=click.Choice(["int8", "bf16", "fp32"]),
    multiple=True,
    help="Numeric modes of a local large tier to calibrate, one policy for all. Default: CASCADE_LARGE.",
)
@click.option(
    "--charts",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where curve and reliability go. Default: .cascade/figures/TASK/PART in the home.",
)
@click.option(
    "--allow-seen", is_flag=True, help="Certify on documents the task was trained on (the guarantee is then void)."
)
def calibrate(
    task: str,
    files: tuple[Path, ...],
    part: str,
    targets: tuple[float, ...],
    modes: tuple[str, ...],
    charts: Path | None,
    allow_seen: bool,
) -> None:
    """Fit the confidence combiners and certify accept thresholds on PART.

    Takes minutes: models are run once over the documents, and their outputs are kept for the next time. What was
    certified for models in other numeric modes is kept, where rules, fields and documents are the same.
    """
    from gateway.tiers.forms import Forms
    from training.calibrate.task import OUT_OF_FOLD, Calibrated, Parts, calibrate_task, keep_variants, out_of_fold
    from training.cli.certified import show
    from training.pipeline import write_split
    from training.recipe import load_recipe, recipe_of
    from training.report.writing import write_calibrated

    home = current_home()
    spec = home.task(task)
    models = home.models / task
    kept = models / "recipe.yaml"
    recipe = load_recipe(kept if kept.is_file() else recipe_of(task))
    documents = read_datasets(files)
    digest = files_digest(files)
    check_labels(spec, documents)
    path = models / "split.json"
    if not path.is_file() and not any((path.parent / tier).is_dir() for tier in ("student", "large")):
        # A task of rules alone was never trained; its documents are divided here. Of models without a split nobody
        # knows what they have seen.
        write_split(path, spec, documents, recipe.split, digest)
        click.echo(f"{path}: written; documents keep their part from now on", err=True)
    split = Split.load(path)
    unknown = sum(not any(document.id in found for found in split.parts.values()) for document in documents)
    if unknown:
        click.echo(f"{unknown} documents are in no part of split.json and are not used (docs/audit.md)", err=True)
    chosen = split.select(documents, part)
    if len(chosen) < len(split.parts[part]):
        click.echo(f"{len(split.parts[part]) - len(chosen)} documents of {part} are not in the data", err=True)
    if not allow_seen:
        split.refuse_seen(chosen)
    known = out_of_fold(models / OUT_OF_FOLD, spec, Forms.load(models / "forms.json"), documents)
    parts = Parts.of(split, documents, part, known)
    about = {
        "command": shlex.join(["cascade", *sys.argv[1:]]),
        "data_sha256": digest,
        "part": part,
        "seen_allowed": allow_seen,
    }
    cache = home.path / ".cascade" / "train" / task / "outputs"
    made: list[Calibrated] = [
        calibrate_task(spec, _tiers(home, spec, mode), parts, targets or recipe.targets, cache, about)
        for mode in dict.fromkeys(modes or (Settings.read().large,))
    ]
    first = made[0].policy
    policy = replace(first, variants=tuple(one.policy for one in made[1:] if one.policy.versions != first.versions))
    policy = keep_variants(policy, _before(models / "policy.json"))
    policy.save(models / "policy.json")
    write_calibrated(models, spec, policy, made[0].items)
    target = charts or default_directory(home, task, part)
    found = write_charts(target, spec, policy, made[0].items, f"{task}, {part}")
    show(policy)
    click.echo(f"{target}: {', '.join(one.name for one in found.paths)}", err=True)
    if found.note:
        click.echo(found.note, err=True)


def _tiers(home: Home, spec: TaskSpec, mode: str) -> dict[TierName, Tier]:
    """The task's tiers as they would be served; a model tier that cannot be used is left out, and why is said."""
    from gateway.tiers.loading import load_model_tiers
    from gateway.tiers.rules.tier import RulesTier

    tiers: dict[TierName, Tier] = {"rules": RulesTier.load(home.rules, spec)}
    for name, (tier, status) in load_model_tiers(home, spec, large_mode=mode).items():
        if tier is not None:
            tiers[name] = tier
        else:
            click.echo(f"calibrating without {name}: {status.problem}", err=True)
    return tiers


def _before(path: Path) -> Policy | None:
    """The policy that is there, if it can be read."""
    try:
        return Policy.load(path)
    except PolicyError:
        return None  # nothing of it can be kept
