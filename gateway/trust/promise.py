"""Which promise a policy makes: what tells one from another, and what does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gateway.combine import Combiner
from gateway.policy import Policy, Threshold


def promise_digest(policy: Policy) -> str:
    """The SHA-256 of all that decides which answers a policy accepts: thresholds, combiners, and the versions of rules,
    fields and models they were measured with.

    When it was made, with what command, on what hardware, what tiers cost there and how much evidence there was does
    not count: a calibration that comes to the same decisions makes the same promise.
    """
    decides: dict[str, Any] = {
        "task": policy.task,
        "versions": dict(policy.versions),
        "thresholds": {
            chain: {
                name: {f"{target:g}": _threshold(threshold) for target, threshold in targets.items()}
                for name, targets in fields.items()
            }
            for chain, fields in policy.thresholds.items()
        },
        "combiners": _combiners(policy.combiners),
        "absence": _combiners(policy.absence),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _threshold(threshold: Threshold) -> list[Any]:
    absent: Any = None
    if threshold.absent is not None:
        absent = threshold.absent.value if threshold.absent.certified else {"steer": threshold.absent.value}
    if threshold.accepts_absence and not threshold.certified:
        # Which values are passed on decides which absences are reached.
        return [threshold.certified, threshold.value, absent, threshold.steer]
    return [threshold.certified, threshold.value, absent]


def _combiners(combiners: Mapping[str, Mapping[str, Combiner]]) -> dict[str, Any]:
    return {chain: {name: asdict(combiner) for name, combiner in fields.items()} for chain, fields in combiners.items()}
