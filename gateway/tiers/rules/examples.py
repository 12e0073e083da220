"""Running the examples that stand in rule files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from gateway.document import Document
from gateway.tiers.rules.filters import REASON, FilterSet
from gateway.tiers.rules.tier import RulesTier
from gateway.values import equal


@dataclass(frozen=True)
class ExampleResult:
    """One example: what the rule should find first, and what it found (``None``: nothing).

    ``answered_by`` is the rule whose candidate is the field's best on that text, which may be another one.
    """

    source: str
    text: str
    expected: str | None
    found: str | None
    passed: bool
    answered_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        return {"rule": found.pop("source"), **found}


def run_examples(tier: RulesTier) -> Iterator[ExampleResult]:
    """Run every rule's examples on the rule alone, whatever its ``unless`` says.

    Values are compared by the field's type: ``9,00`` is found where ``9.00`` is expected.
    """
    for rule in tier.rules.rules:
        name = rule.field.name
        for example in rule.spec.examples:
            candidates = tier.try_rule(rule, example.text)
            found = candidates[0].value if candidates else None
            if example.value is None or found is None:
                passed = found is example.value
            else:
                passed = equal(rule.field.type, found, example.value, options=tier.rules.task.options)
            [output] = tier.propose([Document(example.text)], [name])
            best = output.proposals[name].best
            answered_by = best.source if best else None
            yield ExampleResult(rule.source, example.text, example.value, found, passed, answered_by)


def run_filter_examples(filters: FilterSet) -> Iterator[ExampleResult]:
    """Run every filter's examples on the filter alone; ``expected`` and ``found`` say ``filtered`` or nothing."""
    for item in filters.filters:
        alone = FilterSet((item,))
        for example in item.examples:
            hit = alone.check(example.text)
            passed = (hit is not None) is example.filtered
            expected = REASON if example.filtered else None
            yield ExampleResult(item.source, example.text, expected, REASON if hit else None, passed)
