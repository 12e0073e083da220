"""One calibration: from labelled documents and tiers to policy.json."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.certificates import GroupCertificates, TaskCertificate
from gateway.document import TierName
from gateway.evaluation.metrics import expected_values
from gateway.evaluation.provenance import hardware
from gateway.evaluation.selection import documents_digest as digest_of
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.task import TaskSpec
from training.calibrate.combiners import choose_strength, fit_absence, fit_combiners
from training.calibrate.outputs import Observed, estimate_costs
from training.calibrate.thresholds import choose
from training.calibrate.trials import Table, trials
from training.calibrate.wider import Field, certify_groups, certify_task


def documents_digest(observed: Sequence[Observed]) -> str:
    """One digest over ids, texts and labels."""
    return digest_of(item.document for item in observed)


def shares_right(observed: Sequence[Observed], task: TaskSpec) -> dict[str, dict[str, float]]:
    """Share of annotated answers for which each tier's first choice is right, and ``any``: for which some tier's is.

    ``any`` is what a perfect choice among the tiers would reach. By field, and ``all`` for all fields together.
    """
    tiers = list(observed[0].outputs) if observed else []
    right: dict[str, Counter[str]] = {name: Counter() for name in (*tiers, "any")}
    annotated: Counter[str] = Counter()
    for item in observed:
        for field in task.fields:
            if expected_values(task, item.document, field) is None:
                continue
            annotated[field] += 1
            verdicts: dict[str, bool] = {}
            for tier in tiers:
                answers = item.answers(tier, task, field)
                verdicts[tier] = bool(answers) and item.judge(answers[0], task, field) is True
            for name, verdict in {**verdicts, "any": any(verdicts.values())}.items():
                right[name][field] += verdict
    total = max(1, annotated.total())
    return {
        name: {
            "all": round(found.total() / total, 4),
            **{field: round(found[field] / number, 4) for field, number in annotated.items()},
        }
        for name, found in right.items()
    }


def calibrate(
    task: TaskSpec,
    development: Sequence[Observed],
    calibration: Sequence[Observed],
    versions: Mapping[str, Any],
    targets: Sequence[float],
    *,
    delta: float = 0.05,
    about: Mapping[str, Any] | None = None,
    seen: Collection[str] = (),
    groups: Mapping[str, str] | None = None,
    known_groups: Collection[str] = (),
) -> Policy:
    """Fit combiners on ``development`` and certify thresholds on ``calibration`` for every chain of the tiers observed.

    Args:
        development: documents with outputs of models that were not made from them. They may be documents that rules
            were written on: those are ``seen``.
        calibration: documents that no rule or model was made from, none of them in ``development``.
        versions: what :class:`gateway.policy.Policy` keeps of rules and models.
        delta: the chance the thresholds may fail their target.
        seen: ids of the documents in ``development`` that rules were written on.
        groups: document id to group (merchant); a document without one is a group of its own.
        known_groups: the groups that rules or models have seen.
    """
    tiers: set[TierName] = set(calibration[0].outputs) if calibration else set()
    chains = [chain for chain in all_chains() if set(chain) <= tiers]
    strength, losses = choose_strength(development, chains, task, seen=seen, groups=groups)
    combiners = {
        chain_name(chain): fit_combiners(development, chain, task, strength=strength, seen=seen) for chain in chains
    }
    absence = {
        chain_name(chain): fit_absence(development, chain, task, strength=strength, seen=seen) for chain in chains
    }
    thresholds: dict[str, dict[str, dict[float, Threshold]]] = {}
    whole: dict[str, dict[str, TaskCertificate]] = {}
    by_group: dict[str, dict[str, dict[float, GroupCertificates]]] = {}
    for chain in chains:
        fields: dict[str, Field] = {}
        for name in task.fields:
            fitted = Table(trials(development, chain, combiners, task, name, absence))
            held_out = Table(trials(calibration, chain, combiners, task, name, absence))
            found = {target: choose(fitted, held_out, target, delta) for target in targets}
            group_of = [
                (groups or {}).get(item.document.id, item.document.id)
                for item in calibration
                if expected_values(task, item.document, name) is not None
            ]
            fields[name] = Field(fitted, held_out, found, delta, group_of)
        unseen = {group for field in fields.values() for group in field.groups} - set(known_groups)
        thresholds[chain_name(chain)] = {name: dict(field.thresholds) for name, field in fields.items()}
        whole[chain_name(chain)] = certify_task(fields, targets, task.qualities(), delta)
        by_group[chain_name(chain)] = {
            name: {
                target: certify_groups(field, target, unseen, delta)
                for target, threshold in field.thresholds.items()
                if threshold.certified
            }
            for name, field in fields.items()
        }
    return Policy(
        task=task.name,
        combiners=combiners,
        absence={chain: fields for chain, fields in absence.items() if fields},
        thresholds=thresholds,
        versions=dict(versions),
        estimates=estimate_costs(calibration),
        delta=delta,
        whole=whole,
        groups=by_group,
        about={
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "method": "Learn-then-Test, fixed sequence, exact binomial",
            "development": {
                "documents": len(development),
                "seen_by_rules": sum(item.document.id in seen for item in development),
                "sha256": documents_digest(development),
            },
            "combiners": {
                "strength": strength,
                "log_loss": {f"{tried:g}": round(loss, 5) for tried, loss in losses.items()},
            },
            "calibration": {"documents": len(calibration), "sha256": documents_digest(calibration)},
            "shares_right": shares_right(calibration, task),
            "hardware": hardware(),
            **(about or {}),
        },
    )
