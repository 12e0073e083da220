"""What a policy certifies, as ``cascade calibrate`` and ``cascade train`` print it."""

from __future__ import annotations

from collections.abc import Mapping

import click

from gateway.certificates import TaskCertificate
from gateway.policy import Policy, Threshold


def show(policy: Policy) -> None:
    """Print, for each chain, the certified targets of each field and of all fields together, and what is lacking."""
    for chain, fields in policy.thresholds.items():
        for name, targets in fields.items():
            certified = [f"{target:g}" for target, threshold in sorted(targets.items()) if threshold.certified]
            click.echo(f"{chain:24} {name:12} certified: {', '.join(certified) or 'none'}{_lacking(targets)}")
        for quality, certificate in policy.whole.get(chain, {}).items():
            if quality == "default":
                click.echo(f"{chain:24} {'all fields':12} at their own targets: {describe(certificate)}")
    for left_out, why in policy.about.get("out_of_fold", {}).get("left_out", {}).items():
        click.echo(f"out-of-fold outputs of {left_out} are not used: {why}", err=True)


def describe(certificate: TaskCertificate) -> str:
    """A certificate for all fields together, in words."""
    if not certificate.fields:
        return "no field is certified"
    if certificate.target is None:
        needed = certificate.labels_needed
        return "none certified" + (f" (about {needed:,} labels would)" if needed else "")
    return f"{certificate.target:g} certified together"


def _lacking(targets: Mapping[float, Threshold]) -> str:
    """The least target that is not certified, and how many labels would certify it."""
    lacking = min((target for target, threshold in targets.items() if not threshold.certified), default=None)
    if lacking is None:
        return ""
    needed = targets[lacking].labels_needed
    return f"; {lacking:g} needs " + (
        f"about {needed:,} labels" if needed else "better tiers: no number of labels would do"
    )
