"""What the tiers of a task say of its documents, for benchmarks that decide anew and run nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.document import TierName
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split
from gateway.home import find_home
from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.tiers.base import Tier
from gateway.tiers.forms import Forms
from gateway.tiers.loading import load_model_tiers
from gateway.tiers.rules.tier import RulesTier
from training.calibrate.outputs import Observed, observe
from training.calibrate.task import OUT_OF_FOLD, Parts, fitting_documents, out_of_fold


@dataclass(frozen=True)
class Setting:
    """A task with its policy, the documents its combiners learned from, and those that it is judged on, with groups."""

    task: TaskSpec
    policy: Policy
    fitting: Sequence[Observed]
    judged: Sequence[Observed]
    groups: Sequence[str]


def observe_task(name: str, data: Path, parts: Sequence[str]) -> Setting:
    """Every tier's output for the documents that the task's policy learned from and for those of ``parts``; kept where
    ``cascade calibrate`` keeps them."""
    home = find_home(None)
    task = home.task(name)
    models = home.models / name
    documents = read_dataset(data)
    split = Split.load(models / "split.json")
    known = out_of_fold(models / OUT_OF_FOLD, task, Forms.load(models / "forms.json"), documents)
    tiers: dict[TierName, Tier] = {"rules": RulesTier.load(home.rules, task)}
    for tier, (loaded, _) in load_model_tiers(home, task).items():
        if loaded is not None:
            tiers[tier] = loaded
    cache = home.path / ".cascade" / "train" / name / "outputs"
    fitting, _ = fitting_documents(task, tiers, Parts.of(split, documents, "calibration", known), cache)
    chosen = [document for part in parts for document in split.select(documents, part)]
    judged = observe(tiers, chosen, task, cache)
    return Setting(
        task, Policy.load(models / "policy.json"), fitting, judged, [split.group_of(document) for document in chosen]
    )
