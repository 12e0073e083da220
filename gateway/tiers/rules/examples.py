"""Running the examples that stand in rule files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.tiers.rules.tier import RulesTier
from gateway.values import equal


@dataclass(frozen=True)
class ExampleResult:
    """One example: what the rule should find first, and what it found (``None``: nothing)."""

    source: str
    text: str
    expected: str | None
    found: str | None
    passed: bool


def run_examples(tier: RulesTier) -> Iterator[ExampleResult]:
    """Run every rule's examples on the rule alone, whatever its ``unless`` says.

    Values are compared by the field's type: ``9,00`` is found where ``9.00`` is expected.
    """
    for rule in tier.rules.rules:
        for example in rule.spec.examples:
            candidates = tier.try_rule(rule, example.text)
            found = candidates[0].value if candidates else None
            if example.value is None or found is None:
                passed = found is example.value
            else:
                passed = equal(rule.field.type, found, example.value, day_first=tier.rules.task.day_first)
            yield ExampleResult(rule.source, example.text, example.value, found, passed)
