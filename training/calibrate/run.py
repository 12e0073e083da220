"""One calibration: from labelled documents and tiers to policy.json."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.document import TierName
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.task import TaskSpec
from training.calibrate.combiners import fit_combiners
from training.calibrate.outputs import Observed, estimate_costs
from training.calibrate.thresholds import choose, trials


def documents_digest(observed: Sequence[Observed]) -> str:
    """One digest over ids, texts and labels."""
    digest = hashlib.sha256()
    for item in sorted(observed, key=lambda item: item.document.id):
        digest.update(repr((item.document.id, item.document.text, sorted(item.document.labels.items()))).encode())
    return digest.hexdigest()


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
    thresholds: dict[str, dict[str, dict[float, Threshold]]] = {}
    for chain in chains:
        for name in task.fields:
            fitted = trials(development, chain, combiners, task, name)
            held_out = trials(calibration, chain, combiners, task, name)
            thresholds.setdefault(chain_name(chain), {})[name] = {
                target: choose(fitted, held_out, target, delta) for target in targets
            }
    return Policy(
        task=task.name,
        combiners=combiners,
        thresholds=thresholds,
        versions=dict(versions),
        estimates=estimate_costs(calibration),
        delta=delta,
        about={
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "method": "Learn-then-Test, fixed sequence, exact binomial",
            "development": {"documents": len(development), "sha256": documents_digest(development)},
            "calibration": {"documents": len(calibration), "sha256": documents_digest(calibration)},
            "hardware": platform.processor() or platform.machine(),
            **(about or {}),
        },
    )
