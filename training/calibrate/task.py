"""Calibrating a task as it would be served: its tiers are run, what they say is put together, and policy.json made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.document import TierName
from gateway.evaluation.bounds import binomial_tail
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.replay import Recorded
from gateway.evaluation.split import Split
from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.tiers.base import Tier
from gateway.tiers.forms import Forms
from gateway.tiers.rules.tier import RulesTier
from gateway.trust import field_identities, rule_digests
from training.calibrate.folds import TRAINED, load_folds, load_predictions
from training.calibrate.outputs import Observed, observe
from training.calibrate.run import calibrate, shares_right

#: What models of other folds say of the training documents; lies beside the models.
OUT_OF_FOLD = "out_of_fold.json"
#: A fold's models are worse than those served, having learned from fewer documents; below this share of them, and
#: beyond chance, their training went wrong, and they tell nothing of the models served.
LEAST_SHARE = 0.8
_CHANCE = 1e-3


@dataclass(frozen=True)
class OutOfFold:
    """Documents with outputs of models that did not learn from them, and the fold each belongs to (0 where the file
    does not say)."""

    observed: tuple[Observed, ...] = ()
    folds: Mapping[str, int] = field(default_factory=dict)


def out_of_fold(path: Path, task: TaskSpec, forms: Forms, documents: Sequence[LabelledDocument]) -> OutOfFold:
    """What ``out_of_fold.json`` says of these documents; nothing where there is no such file.

    Raises:
        DatasetError: the file is damaged, or belongs to another task.
    """
    if not path.is_file():
        return OutOfFold()
    found = load_predictions(path, task, forms, documents)
    known = [Observed(document, found[document.id]) for document in documents if document.id in found]
    return OutOfFold(tuple(known), load_folds(path))


@dataclass(frozen=True)
class Parts:
    """The documents of a calibration, by what was made from them.

    ``development``: no model learned from them. ``calibration``: nothing was made from them. ``groups``: document id to
    group (merchant); ``known_groups``: those that rules or models have seen; ``seen``: ids of the documents that rules
    were written on.
    """

    development: Sequence[LabelledDocument]
    calibration: Sequence[LabelledDocument]
    out_of_fold: OutOfFold = field(default_factory=OutOfFold)
    groups: Mapping[str, str] = field(default_factory=dict)
    known_groups: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, split: Split, documents: Sequence[LabelledDocument], part: str, known: OutOfFold | None = None
    ) -> Parts:
        """The parts of a split; thresholds are to be certified on ``part``.

        Raises:
            DatasetError: as :meth:`gateway.evaluation.split.Split.select`.
        """
        train, development = split.select(documents, "train"), split.select(documents, "development")
        return cls(
            development,
            split.select(documents, part),
            known or OutOfFold(),
            {document.id: split.group_of(document) for document in documents},
            frozenset(split.group_of(document) for document in (*train, *development)),
            frozenset(document.id for document in train),
        )


@dataclass(frozen=True)
class Calibrated:
    """A policy, and the calibration documents with every tier's output: what figures are drawn from."""

    policy: Policy
    items: tuple[Recorded, ...]


def calibrate_task(
    task: TaskSpec,
    tiers: Mapping[TierName, Tier],
    parts: Parts,
    targets: Sequence[float],
    cache: Path,
    about: Mapping[str, Any],
) -> Calibrated:
    """Run the tiers and calibrate; see :func:`training.calibrate.run.calibrate`.

    The combiners learn from the development documents with the outputs of the models served, and from the training
    documents with out-of-fold outputs where there are any; rules are run on both here. Folds whose training went wrong
    are left out (:func:`sound_folds`), which ``about.out_of_fold`` of the policy says.
    """
    versions: dict[str, Any] = {name: tier.version for name, tier in tiers.items()}
    rules = tiers.get("rules")
    if isinstance(rules, RulesTier):
        versions["rules"] = dict(rules.field_versions)
        versions["rule_digests"] = rule_digests(rules.rules)
    versions["fields"] = field_identities(task)
    versions["modes"] = {
        name: mode for name, tier in tiers.items() if isinstance(mode := getattr(tier, "mode", None), str)
    }
    fitting, left_out = fitting_documents(task, tiers, parts, cache)
    observed = observe(tiers, parts.calibration, task, cache)
    policy = calibrate(
        task,
        fitting,
        observed,
        versions,
        targets,
        about={**about, "out_of_fold": {"documents": len(fitting) - len(parts.development), "left_out": left_out}},
        seen=parts.seen,
        groups=parts.groups,
        known_groups=parts.known_groups,
    )
    return Calibrated(policy, tuple(Recorded(item.document, item.outputs) for item in observed))


def fitting_documents(
    task: TaskSpec, tiers: Mapping[TierName, Tier], parts: Parts, cache: Path
) -> tuple[list[Observed], dict[str, str]]:
    """What combiners learn from, every tier's output included, and the folds left out, each with the reason."""
    served = observe(tiers, parts.development, task, cache)
    own = {item.document.id for item in served}
    usable, left_out = sound_folds(parts.out_of_fold, served, task)
    trained = set(tiers) & set(TRAINED)
    kept = [
        item for item in parts.out_of_fold.observed if item.document.id in usable - own and trained <= set(item.outputs)
    ]
    learned: list[Observed] = []
    if kept:
        by_rules = {name: tier for name, tier in tiers.items() if name not in TRAINED}
        ruled = observe(by_rules, [item.document for item in kept], task, cache)
        learned = [
            Observed(
                item.document,
                {**new.outputs, **{name: output for name, output in item.outputs.items() if name in tiers}},
            )
            for item, new in zip(kept, ruled, strict=True)
        ]
    return [*learned, *served], left_out


def sound_folds(known: OutOfFold, served: Sequence[Observed], task: TaskSpec) -> tuple[frozenset[str], dict[str, str]]:
    """The ids of documents in folds whose models can stand for those served, and why others cannot.

    A trained tier's first choices are right in some share of the ``served`` development documents. A fold is left out
    when its own are right in less than :data:`LEAST_SHARE` of that, and so few of them that chance does not explain it.
    """
    expected = shares_right(served, task)
    usable: set[str] = set()
    left_out: dict[str, str] = {}
    numbers = sorted({known.folds.get(item.document.id, 0) for item in known.observed})
    for number in numbers:
        fold = [item for item in known.observed if known.folds.get(item.document.id, 0) == number]
        found = shares_right(fold, task)
        answers = len(fold) * len(task.fields)
        broken = [
            f"{tier} is right in {found[tier]['all']:.1%} of answers, the one served in {expected[tier]['all']:.1%}"
            for tier in TRAINED
            if tier in found and tier in expected
            for least in [LEAST_SHARE * expected[tier]["all"]]
            if binomial_tail(round(found[tier]["all"] * answers), answers, least) < _CHANCE
        ]
        if broken:
            left_out[f"fold {number}"] = "; ".join(broken)
        else:
            usable.update(item.document.id for item in fold)
    return frozenset(usable), left_out


def keep_variants(policy: Policy, before: Policy | None) -> Policy:
    """A new policy with those of an older one beside it that were calibrated with the same rules, fields and documents
    and with models in another numeric mode."""
    if before is None:
        return policy
    kept: list[Policy] = list(policy.variants)
    taken = [dict(one.versions.get("modes") or {}) for one in (policy, *policy.variants)]
    for other in (before, *before.variants):
        modes = dict(other.versions.get("modes") or {})
        if modes not in taken and _same_ground(policy, other):
            taken.append(modes)
            kept.append(replace(other, variants=()))
    return replace(policy, variants=tuple(kept))


def _same_ground(one: Policy, other: Policy) -> bool:
    versions = ("rules", "rule_digests", "fields")
    return (
        one.task == other.task
        and one.delta == other.delta
        and all(one.versions.get(part) == other.versions.get(part) for part in versions)
        and one.about.get("calibration") == other.about.get("calibration")
    )
