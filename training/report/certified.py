"""What a policy certifies, as the rows of tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.certificates import DEFAULT
from gateway.policy import Policy, Threshold, chain_of

#: The heading of :func:`target_rows`.
TARGETS_HEADER = (
    "field",
    "target",
    "certified",
    "accepted from",
    "accepted",
    "wrong",
    "at most wrong",
    "labels needed",
)


def longest_chain(policy: Policy) -> str:
    """The name of the chain with most tiers; empty where there is none."""
    return max(policy.thresholds, key=lambda name: len(chain_of(name)), default="")


def target_rows(fields: Sequence[str], policy: Policy) -> tuple[str, list[list[Any]]]:
    """The longest chain, and in it every field and target with its evidence and, where it is not certified, how many
    labels would certify it."""
    chain = longest_chain(policy)
    rows = [
        [
            name,
            f"{target:g}",
            "yes" if threshold.certified else "no",
            f"{threshold.value:.4g}",
            f"{threshold.accepted} of {threshold.documents}",
            threshold.errors,
            f"{100 * threshold.bound:.1f} %",
            labels_needed(threshold),
        ]
        for name in fields
        for target, threshold in sorted(policy.thresholds.get(chain, {}).get(name, {}).items())
    ]
    return chain, rows


def labels_needed(threshold: Threshold) -> str:
    """What would certify a target that is not certified."""
    if threshold.certified:
        return ""
    return "better tiers" if threshold.labels_needed is None else f"about {threshold.labels_needed:,}"


def together_rows(policy: Policy) -> list[list[Any]]:
    """For every chain what is certified of all accepted values together, each field at its own target."""
    rows: list[list[Any]] = []
    for chain, found in policy.whole.items():
        certificate = found.get(DEFAULT)
        if certificate is not None:
            needed = certificate.labels_needed
            rows.append(
                [
                    chain,
                    "none" if certificate.target is None else f"{certificate.target:g}",
                    certificate.accepted,
                    certificate.errors,
                    "" if needed is None else f"about {needed:,}",
                ]
            )
    return rows
