"""From records to figures: the JSON that ``cascade eval`` writes (``docs/evaluation.md`` explains every key)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.document import TIERS, TierName
from gateway.evaluation.bootstrap import FloatArray, GroupBootstrap, f1_of, interval_json, precision_of, recall_of
from gateway.evaluation.bounds import clopper_pearson
from gateway.evaluation.comparison import compare
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.metrics import (
    CountArray,
    Counts,
    Measure,
    count_documents,
    expected_values,
    has_spans,
    is_right,
    total,
)
from gateway.evaluation.systems import Record, SystemName, SystemRun
from gateway.extraction import Outcome
from gateway.task import TaskSpec

FORMAT = 1


def build_report(
    task: TaskSpec,
    documents: Sequence[LabelledDocument],
    runs: Mapping[SystemName, SystemRun],
    bootstrap: GroupBootstrap,
) -> dict[str, Any]:
    """The figures of every system and how they compare: the ``systems`` and ``comparison`` parts of the JSON."""
    measures: list[Measure] = ["strict", "normalised"]
    if has_spans(documents):
        measures.append("span")
    counts = {
        name: {m: count_documents(task, documents, [record.answers for record in run.records], m) for m in measures}
        for name, run in runs.items()
        if run.problem is None
    }
    systems = {
        name: {"available": False, "problem": run.problem}
        if run.problem is not None
        else _system(task, documents, run, counts[name], bootstrap)
        for name, run in runs.items()
    }
    return {"systems": systems, "comparison": compare(runs, counts, bootstrap)}


def _system(
    task: TaskSpec,
    documents: Sequence[LabelledDocument],
    run: SystemRun,
    counts: Mapping[Measure, CountArray],
    bootstrap: GroupBootstrap,
) -> dict[str, Any]:
    answered = [record.outcome for record in run.records if record.outcome is not None]
    return {
        "available": True,
        "documents": len(run.records),
        "failures": [
            {"id": document.id, "code": record.failure.code, "message": record.failure.message}
            for document, record in zip(documents, run.records, strict=True)
            if record.failure is not None
        ],
        "scores": {measure: _scores(task, array, bootstrap) for measure, array in counts.items()},
        "cost": _cost(task, answered),
        "speed": _speed(answered),
        "decisions": _decisions(task, documents, run.records),
        "escalation": _escalation(task, answered),
    }


def _scores(task: TaskSpec, counts: CountArray, bootstrap: GroupBootstrap) -> dict[str, Any]:
    resampled = bootstrap.sums(counts)
    return {
        "micro": _score(total(counts), resampled.sum(axis=1), bootstrap),
        "fields": {
            name: _score(total(counts[:, column]), resampled[:, column], bootstrap)
            for column, name in enumerate(task.fields)
        },
    }


def _score(counts: Counts, resampled: FloatArray, bootstrap: GroupBootstrap) -> dict[str, Any]:
    return {
        "true_positives": counts.true_positives,
        "false_positives": counts.false_positives,
        "false_negatives": counts.false_negatives,
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "intervals": {
            "precision": interval_json(bootstrap.percentiles(precision_of(resampled))),
            "recall": interval_json(bootstrap.percentiles(recall_of(resampled))),
            "f1": interval_json(bootstrap.percentiles(f1_of(resampled))),
        },
    }


def _cost(task: TaskSpec, answered: Sequence[Outcome]) -> dict[str, Any] | None:
    """Means over the documents answered."""
    if not answered:
        return None
    used: list[TierName] = [tier for tier in TIERS if any(tier in one.extraction.work for one in answered)]
    seconds = {
        tier: sum(one.extraction.work[tier].cpu_seconds for one in answered if tier in one.extraction.work)
        / len(answered)
        for tier in used
    }
    return {
        "currency": task.prices.currency,
        "amount_per_document": sum(one.cost.amount for one in answered) / len(answered),
        "cpu_seconds_per_document": sum(seconds.values()),
        "by_tier": {
            tier: {
                "cpu_seconds_per_document": seconds[tier],
                "amount_per_document": sum(one.cost.by_tier.get(tier, 0.0) for one in answered) / len(answered),
            }
            for tier in used
        },
    }


def _speed(answered: Sequence[Outcome]) -> dict[str, float] | None:
    """Documents a second one after another, and milliseconds a document."""
    if not answered:
        return None
    seconds = np.array([one.timing["total"] for one in answered])
    middle, slow = np.percentile(seconds, [50, 95])
    whole = float(seconds.sum())
    return {
        "documents_per_second": len(answered) / whole if whole > 0 else 0.0,
        "median_ms": float(middle) * 1000,
        "p95_ms": float(slow) * 1000,
    }


def _decisions(task: TaskSpec, documents: Sequence[LabelledDocument], records: Sequence[Record]) -> dict[str, Any]:
    """Share of answers accepted, and errors among the accepted where the label is known."""
    by_field: dict[str, Any] = {}
    sums = np.zeros(6, dtype=np.int64)
    statuses = {"complete": 0, "review": 0, "degraded": 0}
    for record in records:
        if record.outcome is not None:
            statuses[record.outcome.extraction.status] += 1
    for name in task.fields:
        # answers, accepted, then judged and wrong among accepted present and among accepted absent ones
        tally = np.zeros(6, dtype=np.int64)
        for document, record in zip(documents, records, strict=True):
            if record.outcome is None:
                continue
            result = record.outcome.extraction.fields[name]
            accepted = result.state == "accepted"
            tally[:2] += 1, accepted
            expected = expected_values(task, document, name)
            if accepted and expected is not None:
                values = [candidate.value for candidate in result.candidates]
                first = 2 if result.present else 4
                tally[first : first + 2] += 1, not is_right(task, name, expected, values)
        by_field[name] = _accepted(tally)
        sums += tally
    return {"statuses": statuses, **_accepted(sums), "fields": by_field}


def _accepted(tally: NDArray[np.int64]) -> dict[str, Any]:
    answers, accepted, present, wrong_present, absent, wrong_absent = (int(number) for number in tally)
    return {
        "answers": answers,
        "accepted": accepted,
        "share_accepted": accepted / answers if answers else None,
        "accepted_present": _error(wrong_present, present),
        "accepted_absent": _error(wrong_absent, absent),
    }


def _error(errors: int, judged: int) -> dict[str, Any]:
    """Error rate with the exact two-sided 95 % interval."""
    return {
        "judged": judged,
        "errors": errors,
        "error": errors / judged if judged else None,
        "interval": list(clopper_pearson(errors, judged)) if judged else None,
    }


def _escalation(task: TaskSpec, answered: Sequence[Outcome]) -> dict[str, Any]:
    """Share of requests that reached a tier, and share of field answers passed on to it."""
    requests = {tier: sum(tier in one.extraction.tiers for one in answered) for tier in TIERS}
    passed = {name: dict.fromkeys(TIERS, 0) for name in task.fields}
    for one in answered:
        for escalation in one.extraction.escalations:
            passed[escalation.field][escalation.to_tier] += 1
    number = len(answered)
    return {
        "requests": {tier: _share(count, number) for tier, count in requests.items()},
        "fields": {
            tier: _share(sum(counts[tier] for counts in passed.values()), number * len(passed)) for tier in TIERS
        },
        "by_field": {
            name: {tier: _share(count, number) for tier, count in counts.items()} for name, counts in passed.items()
        },
    }


def _share(count: int, of: int) -> float | None:
    return count / of if of else None
