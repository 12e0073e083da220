"""What rules save: the answers and documents that need no model."""

from __future__ import annotations

import pytest

from gateway.evaluation.dataset import LabelledDocument
from gateway.tiers.rules.measure import Count, measure
from gateway.tiers.rules.savings import estimate_savings, precise_enough
from tests.gateway.tiers.rules.conftest import TASK, Bench


@pytest.mark.parametrize(
    ("found", "right", "quality", "enough"),
    [(58, 58, 0.95, False), (59, 59, 0.95, True), (92, 91, 0.95, False), (93, 92, 0.95, True), (0, 0, 0.5, False)],
)
def test_precision_counts_when_its_exact_lower_bound_reaches_the_target(
    found: int, right: int, quality: float, enough: bool
) -> None:
    assert precise_enough(Count(found, right), quality) is enough


def test_a_document_needs_no_model_when_every_field_is_answered_by_a_trusted_rule(bench: Bench) -> None:
    for name in TASK.fields:
        bench.rules(name, f"- {{id: one, kind: anchor, label: '{name}:', value: '\\S+'}}")
    bench.write("bills/filters.yaml", "filters: [{id: empty, kind: length, min_words: 2}]")
    whole = "shop: A\ndate: 04/05/2018\ntotal: 9.00\nitems: pen\nitems: ink"
    labels = {"shop": "A", "date": "04/05/2018", "total": "9.00", "items": ["pen", "ink"]}
    documents = [LabelledDocument(f"a{number}", whole, labels) for number in range(30)]
    documents += [LabelledDocument(f"b{number}", "total: 9.00", {"total": "8.00"}) for number in range(30)]
    documents.append(LabelledDocument("c", "x", {}))
    tier = bench.load()
    savings = estimate_savings(tier, documents, measure(tier, documents), 0.9)
    assert savings.trusted == {"shop": ("shop/one",), "date": ("date/one",), "total": (), "items": ("items/one",)}
    assert (savings.documents, savings.complete, savings.filtered) == (61, 0, 1)
    assert savings.saved == {"shop/one": 30, "date/one": 30, "items/one": 30}
    lenient = estimate_savings(tier, documents[:30], measure(tier, documents[:30]), 0.9)
    assert (lenient.complete, lenient.saved.total(), lenient.answers) == (30, 120, 120)
    assert "documents that need no model  30 of 30 (100.0 %)" in lenient.render()
