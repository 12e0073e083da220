from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway.cascade import REASONS, Decision, Escalation, Extraction, FieldResult, Run
from gateway.cost import Cost
from gateway.cost.energy import Footprint
from gateway.cost.provisioned import Machine, Usage
from gateway.document import TIERS, Candidate, Proposal, TierOutput, Work
from gateway.extraction import Outcome
from gateway.reload.generations import RELOAD_RESULTS, Published
from gateway.reload.report import RELOAD_METRICS, ReloadCollector
from gateway.reload.store import Store
from gateway.settings import Settings
from gateway.task import FieldSpec, TaskSpec
from gateway.telemetry.exposition import DERIVED, MachineCollector
from gateway.telemetry.metrics import (
    FIELD_OUTCOMES,
    NO_TIER,
    OTHER,
    OVERHEAD,
    PROCESSES,
    REQUEST_STATUSES,
    WRITE_SECONDS,
    Metrics,
    field_outcome,
)
from gateway.telemetry.targets import TARGET_METRICS, TargetCollector

FOUND = (Candidate("9.00", "9.00", "9.00", ((0, 4),), 0.9, "total/x"),)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def outcome() -> Outcome:
    extraction = Extraction(
        {
            "total": FieldResult("accepted", FOUND, "rules", 0.97, 0.9),
            "shop": FieldResult("review", FOUND, "student", 0.4, None),
            "date": FieldResult("review", (), None, 0.0, None),
        },
        "review",
        ("rules", "student"),
        (Escalation("shop", "rules", "student", "conflict"), Escalation("date", "rules", "student", "nothing-found")),
        {"rules": Work(0.001), "student": Work(0.02, 0.02, 50, 4)},
        {},
    )
    cost = Cost(0.35, "EUR", 2.0, {"rules": 0.05, "student": 0.2}, 0.1, 0.7, overhead_seconds=0.003)
    return Outcome("bills", None, extraction, cost, {"rules": 0.00004, "student": 0.02, "total": 0.021}, {})


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_a_known_request_is_counted_everywhere(metrics: Metrics, registry: CollectorRegistry) -> None:
    with metrics.request() as record:
        record.task = "bills"
        record.answer(outcome())
    assert value(registry, "cascade_requests_total", task="bills", status="review") == 1
    assert value(registry, "cascade_tier_requests_total", task="bills", tier="student") == 1
    fields = [("total", "rules", "accepted"), ("shop", "student", "review"), ("date", NO_TIER, "nothing-found")]
    for name, tier, what in fields:
        assert value(registry, "cascade_fields_total", task="bills", field=name, tier=tier, outcome=what) == 1
    assert (
        value(
            registry,
            "cascade_escalations_total",
            task="bills",
            field="shop",
            from_tier="rules",
            to_tier="student",
            reason="conflict",
        )
        == 1
    )
    assert value(registry, "cascade_request_duration_seconds_count", task="bills") == 1
    bucket = "cascade_tier_duration_seconds_bucket"
    assert value(registry, bucket, task="bills", tier="rules", le="2e-05") == 0
    assert value(registry, bucket, task="bills", tier="rules", le="5e-05") == 1
    assert value(registry, "cascade_overhead_seconds_count") == 1
    assert value(registry, "cascade_cost_total", task="bills", tier="student", currency="EUR") == 0.2
    assert value(registry, "cascade_cost_total", task="bills", tier=OVERHEAD, currency="EUR") == 0.1
    assert value(registry, "cascade_cost_always_large_total", task="bills", currency="EUR") == 2.0
    assert value(registry, "cascade_cost_provisioned_total", task="bills", currency="EUR") == 0.7
    for tier, seconds in (("rules", 0.001), ("student", 0.02), (OVERHEAD, 0.003)):
        assert value(registry, "cascade_cpu_seconds_total", task="bills", tier=tier) == seconds
    assert value(registry, "cascade_gpu_seconds_total", task="bills", tier="student") is None
    assert value(registry, "cascade_tokens_total", task="bills", tier="student", kind="input") == 50
    assert value(registry, "cascade_confidence_ratio_sum", task="bills", field="total", tier="rules") == 0.97
    assert value(registry, "cascade_confidence_ratio_count", task="bills", field="date", tier=NO_TIER) is None


def test_energy_and_emissions_follow_from_cpu_seconds(registry: CollectorRegistry) -> None:
    footprint = Footprint.of(Settings.read(watts_per_cpu=10, pue=1.5, grid_grams_per_kwh=3600))
    metrics = Metrics(registry, footprint=footprint)
    with metrics.request() as record:
        record.task = "bills"
        record.answer(outcome())
    found = {
        (sample.name, sample.labels["tier"]): sample.value
        for family in text_string_to_metric_families(metrics.exposition()[0].decode())
        for sample in family.samples
        if sample.name in DERIVED
    }
    assert found == pytest.approx(
        {
            (name, tier): seconds * 15 * grams
            for name, grams in (("cascade_energy_joules_total", 1), ("cascade_co2e_grams_total", 0.001))
            for tier, seconds in (("rules", 0.001), ("student", 0.02), (OVERHEAD, 0.003))
        }
    )


def test_the_process_s_cpu_time_is_counted(metrics: Metrics, registry: CollectorRegistry) -> None:
    before = time.process_time()
    metrics.exposition()
    counted = value(registry, "cascade_process_cpu_seconds_total", process="worker")
    assert counted is not None
    assert before <= counted <= time.process_time()


def test_in_a_service_counts_are_written_together_and_soon(metrics: Metrics, registry: CollectorRegistry) -> None:
    def requests() -> float | None:
        return value(registry, "cascade_requests_total", task="bills", status="review")

    async def main() -> None:
        for _ in range(3):
            with metrics.request() as record:
                record.task = "bills"
                record.answer(outcome())
        assert not requests()
        await asyncio.sleep(4 * WRITE_SECONDS)
        assert requests() == 3
        with metrics.request() as record:
            record.task = "bills"
            record.answer(outcome())
        assert b'cascade_requests_total{status="review",task="bills"} 4.0' in (await metrics.scrape())[0]

    asyncio.run(main())


def test_nothing_is_counted_where_metrics_are_off(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry, enabled=False)
    with metrics.request() as record:
        record.task = "bills"
        record.answer(outcome())
    metrics.queue_batch("student", 2, [0.001, 0.5])
    metrics.queue_depth("student", 2)
    assert value(registry, "cascade_requests_total", task="bills", status="review") is None
    assert value(registry, "cascade_batch_size_count") == 0


def test_queues_are_counted(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.queue_depth("student", 3)
    metrics.queue_batch("student", 2, [0.001, 0.5])
    metrics.queue_refused("large", "full")
    assert value(registry, "cascade_queue_depth", tier="student") == 3
    assert value(registry, "cascade_batch_size_sum") == 2
    assert value(registry, "cascade_batch_size_count") == 1
    assert value(registry, "cascade_queue_wait_seconds_count", tier="student") == 2
    assert value(registry, "cascade_queue_refused_total", tier="large", reason="full") == 1


def test_overhead_is_the_time_outside_the_tiers(
    metrics: Metrics, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([100.0, 100.05])
    monkeypatch.setattr("gateway.telemetry.metrics.time.perf_counter", lambda: next(moments))
    with metrics.request() as record:
        record.answer(outcome())
    assert value(registry, "cascade_overhead_seconds_sum") == pytest.approx(0.05 - 0.02004)


def test_a_request_that_broke_is_counted_as_failed_of_no_known_task(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    with pytest.raises(RuntimeError), metrics.request():
        raise RuntimeError
    assert value(registry, "cascade_requests_total", task=OTHER, status="failed") == 1
    assert value(registry, "cascade_request_duration_seconds_count", task=OTHER) is None


def test_rule_timeouts_are_taken_over_once(metrics: Metrics, registry: CollectorRegistry) -> None:
    for totals in ({"total/slow": 2}, {"total/slow": 2}, {"total/slow": 5, "shop/slow": 1}):
        metrics.count_rule_timeouts("bills", totals)
    assert value(registry, "cascade_rule_timeouts_total", task="bills", rule="total/slow") == 5
    assert value(registry, "cascade_rule_timeouts_total", task="bills", rule="shop/slow") == 1


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (FieldResult("accepted", FOUND, "rules", 1.0, 0.9), "accepted"),
        (FieldResult("accepted", (), "rules", 1.0, 0.9), "absent"),
        (FieldResult("review", FOUND, "rules", 0.1, None), "review"),
        (FieldResult("review", (), None, 0.0, None), "nothing-found"),
    ],
)
def test_field_outcomes(result: FieldResult, expected: str) -> None:
    assert field_outcome(result) == expected


def test_reasons_of_real_runs_are_in_the_closed_list() -> None:
    task = TaskSpec("bills", {"total": FieldSpec("total", "money")})
    run = Run(task, None, fields=["total"], quality=0.9, tiers=("rules", "student"))
    run.absorb("rules", TierOutput({"total": Proposal(FOUND)}))
    run.absorb("student", TierOutput())
    extraction = run.result()
    assert [step.reason for step in extraction.escalations] == ["low-confidence"]
    assert {step.reason for step in extraction.escalations} <= set(REASONS)
    decisions: tuple[Decision, ...] = extraction.evidence["total"].decisions
    assert [(step.tier, step.verdict) for step in decisions] == [
        ("rules", "low-confidence"),
        ("student", "low-confidence"),
    ]


def test_the_documentation_lists_every_metric_with_its_labels_and_their_values(
    project_root: Path, metrics: Metrics, registry: CollectorRegistry, tmp_path: Path
) -> None:
    page = (project_root / "docs" / "metrics.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `(cascade_\w+)` \|(.*?) \|", page, re.MULTILINE))
    declared = {}
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            declared[name] = sorted(metric._labelnames)
    declared["cascade_build_info"] = ["python", "version"]
    metrics.collect_from(ReloadCollector(Published(results=dict.fromkeys(RELOAD_RESULTS, 0)), Store(tmp_path)))
    declared |= {name: list(labels) for name, labels in (RELOAD_METRICS | DERIVED | TARGET_METRICS).items()}
    assert {name: sorted(re.findall(r"`(\w+)`", labels)) for name, labels in documented.items()} == declared
    metrics.collect_from(TargetCollector(dict))
    with Usage(tmp_path / "usage") as usage:
        metrics.collect_from(MachineCollector(Machine(usage, 1.0, "EUR", 2)))
        families = {family.name for family in text_string_to_metric_families(metrics.exposition()[0].decode())}
    assert families == {name.removesuffix("_total") for name in declared}
    for known in (
        *REQUEST_STATUSES,
        *FIELD_OUTCOMES,
        *REASONS,
        *RELOAD_RESULTS,
        *TIERS,
        *PROCESSES,
        NO_TIER,
        OVERHEAD,
        OTHER,
    ):
        assert f"`{known}`" in page, known
