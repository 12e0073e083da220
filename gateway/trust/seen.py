"""Certificates that are none: a policy calibrated on documents that its models and rules may have been made from."""

from __future__ import annotations

from dataclasses import replace

from gateway.policy import Policy

#: What is said of such a policy (``about.seen_allowed``, which ``cascade calibrate --allow-seen`` writes).
SEEN = (
    "policy.json: calibrated with --allow-seen, on documents that the task may have been made from; its certificates"
    " are void and nothing is accepted by them until `cascade calibrate` is run without it"
)


def is_void(policy: Policy) -> bool:
    """Whether a policy was calibrated on documents that may have been seen."""
    return bool(policy.about.get("seen_allowed"))


def without_void_certificates(policy: Policy) -> Policy:
    """The policy and its variants, each without certificates where it is void.

    Its thresholds still decide which answers are worth asking the next tier about.
    """
    variants = tuple(without_void_certificates(variant) for variant in policy.variants)
    if not is_void(policy):
        return replace(policy, variants=variants)
    thresholds = {
        chain: {
            name: {target: replace(threshold, certified=False, absent=None) for target, threshold in targets.items()}
            for name, targets in fields.items()
        }
        for chain, fields in policy.thresholds.items()
    }
    return replace(policy, thresholds=thresholds, whole={}, groups={}, variants=variants)
