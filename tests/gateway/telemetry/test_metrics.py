from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.cascade import REASONS, Decision, Escalation, Extraction, FieldResult, Run
from gateway.cost import Cost
from gateway.document import TIERS, Candidate, Proposal, TierOutput, Work
from gateway.extraction import Outcome
from gateway.reload.generations import RELOAD_RESULTS, Published
from gateway.reload.report import RELOAD_METRICS, ReloadCollector
from gateway.reload.store import Store
from gateway.task import FieldSpec, TaskSpec
from gateway.telemetry.metrics import FIELD_OUTCOMES, NO_TIER, OTHER, REQUEST_STATUSES, Metrics, field_outcome

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
    cost = Cost(0.25, "EUR", 2.0, {"rules": 0.05, "student": 0.2})
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
    assert value(registry, "cascade_cost_always_large_total", task="bills", currency="EUR") == 2.0
    assert value(registry, "cascade_confidence_ratio_sum", task="bills", field="total", tier="rules") == 0.97
    assert value(registry, "cascade_confidence_ratio_count", task="bills", field="date", tier=NO_TIER) is None


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
    declared |= {name: list(labels) for name, labels in RELOAD_METRICS.items()}
    assert {name: sorted(re.findall(r"`(\w+)`", labels)) for name, labels in documented.items()} == declared
    assert {family.name for family in registry.collect()} == {name.removesuffix("_total") for name in declared}
    for known in (*REQUEST_STATUSES, *FIELD_OUTCOMES, *REASONS, *RELOAD_RESULTS, *TIERS, NO_TIER, OTHER):
        assert f"`{known}`" in page, known
