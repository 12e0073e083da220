from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.telemetry.pending import Cell, Cells

BOUNDS = (0.1, 1.0, 10.0)
values = st.floats(0, 20) | st.sampled_from(BOUNDS)


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.tuples(st.sampled_from("ab"), values, st.booleans())))
def test_a_histogram_that_is_told_later_is_the_same(steps: list[tuple[str, float, bool]]) -> None:
    now, later = CollectorRegistry(), CollectorRegistry()
    at_once, histogram = (
        Histogram("h", "h", ["task", "tier"], buckets=BOUNDS, registry=registry) for registry in (now, later)
    )
    pending: list[Cell] = []
    cells = Cells(histogram, "bills", pending)
    for tier, value, write in steps:
        at_once.labels("bills", tier).observe(value)
        cells[tier].observe(value)
        if write:
            while pending:
                pending.pop().write()
    for cell in pending:
        cell.write()
    assert samples(later) == pytest.approx(samples(now))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 100))))
def test_a_counter_that_is_told_later_is_the_same(steps: list[tuple[str, float]]) -> None:
    now, later = CollectorRegistry(), CollectorRegistry()
    at_once, counter = (Counter("c", "c", ["task", "tier"], registry=registry) for registry in (now, later))
    pending: list[Cell] = []
    cells = Cells(counter, "bills", pending)
    for tier, amount in steps:
        at_once.labels("bills", tier).inc(amount)
        cells[tier].inc(amount)
    for cell in pending:
        cell.write()
    assert samples(later) == pytest.approx(samples(now))
