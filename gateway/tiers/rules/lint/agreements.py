"""Agreements that cannot come about, whatever the text: too few rules can find something in one and the same text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.tiers.rules import schema
from gateway.tiers.rules.schema import AgreementRule

#: How many combinations of rules are looked at; where that is not enough nothing is said.
_MAX_STEPS = 10_000


def why_never(spec: AgreementRule, rules: Sequence[schema.Rule]) -> str | None:
    """Why ``spec`` can never have a value, given all rules of its field; ``None`` where it can, or it is not known.

    A rule is not tried where one that its ``unless`` names has found something: two such rules never agree.
    """
    voters = {rule.id: rule for rule in rules if not isinstance(rule, AgreementRule)}
    if spec.of is not None:
        if not voters.keys() >= set(spec.of):
            return None
        voters = {identifier: voters[identifier] for identifier in spec.of}
    # Where one of these has found something, the agreement is not looked for.
    voters = {identifier: rule for identifier, rule in voters.items() if identifier not in spec.unless}
    if len(voters) < spec.least:
        return f"{_count(len(voters))} to agree, and {spec.least} must"
    apart: Mapping[str, set[str]] = {identifier: set() for identifier in voters}
    for identifier, rule in voters.items():
        for other in voters.keys() & set(rule.unless):
            apart[identifier].add(other)
            apart[other].add(identifier)
    if _together(list(voters), apart, spec.least, [_MAX_STEPS]):
        return None
    pairs = sorted((left, right) for left, others in apart.items() for right in others if left < right)
    shown = ", ".join(f"{left} and {right}" for left, right in pairs[:3])
    return f"no {spec.least} of its rules are ever tried on one text: unless keeps apart {shown}"


def _count(number: int) -> str:
    return {0: "there is no rule", 1: "there is one rule"}.get(number, f"there are {number} rules")


def _together(left: list[str], apart: Mapping[str, set[str]], wanted: int, steps: list[int]) -> bool:
    """Whether ``wanted`` of the rules ``left`` exclude none of each other; yes where it takes too long to tell."""
    if wanted <= 0:
        return True
    steps[0] -= 1
    if steps[0] < 0:
        return True
    return any(
        _together([other for other in left[number + 1 :] if other not in apart[identifier]], apart, wanted - 1, steps)
        for number, identifier in enumerate(left)
        if len(left) - number >= wanted
    )
