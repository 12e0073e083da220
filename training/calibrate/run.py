"""One calibration: from labelled documents and tiers to policy.json."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.document import TierName
from gateway.evaluation.metrics import expected_values
from gateway.evaluation.provenance import hardware
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.task import TaskSpec
from training.calibrate.combiners import fit_absence, fit_combiners
from training.calibrate.outputs import Observed, estimate_costs
from training.calibrate.thresholds import choose, trials


def documents_digest(observed: Sequence[Observed]) -> str:
    """One digest over ids, texts and labels."""
    digest = hashlib.sha256()
    for item in sorted(observed, key=lambda item: item.document.id):
        digest.update(repr((item.document.id, item.document.text, sorted(item.document.labels.items()))).encode())
    return digest.hexdigest()


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
) -> Policy:
    """Fit combiners on ``development`` and certify thresholds on ``calibration`` for every chain of the tiers observed.

    Args:
        development, calibration: documents no rule or model was made from; the two do not overlap.
        versions: what :class:`gateway.policy.Policy` keeps of rules and models.
        delta: the chance the thresholds may fail their target.
    """
    tiers: set[TierName] = set(calibration[0].outputs) if calibration else set()
    chains = [chain for chain in all_chains() if set(chain) <= tiers]
    combiners = {chain_name(chain): fit_combiners(development, chain, task) for chain in chains}
    absence = {chain_name(chain): fit_absence(development, chain, task) for chain in chains}
    thresholds: dict[str, dict[str, dict[float, Threshold]]] = {}
    for chain in chains:
        for name in task.fields:
            fitted = trials(development, chain, combiners, task, name, absence)
            held_out = trials(calibration, chain, combiners, task, name, absence)
            thresholds.setdefault(chain_name(chain), {})[name] = {
                target: choose(fitted, held_out, target, delta) for target in targets
            }
    return Policy(
        task=task.name,
        combiners=combiners,
        absence={chain: fields for chain, fields in absence.items() if fields},
        thresholds=thresholds,
        versions=dict(versions),
        estimates=estimate_costs(calibration),
        delta=delta,
        about={
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "method": "Learn-then-Test, fixed sequence, exact binomial",
            "development": {"documents": len(development), "sha256": documents_digest(development)},
            "calibration": {"documents": len(calibration), "sha256": documents_digest(calibration)},
            "shares_right": shares_right(calibration, task),
            "hardware": hardware(),
            **(about or {}),
        },
    )
