"""What the audit database says, for people: counts with intervals, tests, and open questions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from gateway.audit.ledger import ALL_FIELDS
from gateway.audit.shift import shift_standings
from gateway.audit.store import AuditStore
from gateway.evaluation.bounds import clopper_pearson


def report(store: AuditStore, task: str | None = None) -> dict[str, Any]:
    """Audits by task, field, tier and judge; feedback; the tests of fields and of the traffic; spending by day.

    ``rate`` is the share of audited answers the judge disagreed with, with its exact interval at 95 % (answers taken
    as independent). ``feedback`` counts corrections that were volunteered: they are no sample.

    Raises:
        AuditStoreError: the database cannot be read.
    """
    chosen = "(? IS NULL OR task = ?)"
    audits = store.rows(f"SELECT * FROM totals WHERE {chosen} ORDER BY task, field, tier, judge", task, task)
    for row in audits:
        count = row["agreed"] + row["disagreed"]
        low, high = clopper_pearson(row["disagreed"], count)
        row["rate"] = {"value": round(row["disagreed"] / count, 6), "low": round(low, 6), "high": round(high, 6)}
    feedback = store.rows(
        "SELECT task, field, count(*) AS corrections, sum(agree = 1) AS confirmed, sum(agree = 0) AS contradicted"
        f" FROM judgements WHERE judge = 'person' AND sampled = 0 AND {chosen} GROUP BY task, field",
        *(task, task),
    )
    tests = [standing.as_json() for standing in store.standings(task)]
    return {
        "audits": audits,
        "open": len(open_questions(store, task)),
        "feedback": feedback,
        "tests": [{**test, "subject": "all" if test["subject"] == ALL_FIELDS else test["subject"]} for test in tests],
        "traffic": [standing.as_json() for standing in shift_standings(store.database, task)],
        "spending": store.rows("SELECT * FROM spending ORDER BY day DESC, currency LIMIT 31"),
    }


def open_questions(store: AuditStore, task: str | None = None) -> list[dict[str, Any]]:
    """Answers that wait for a person, oldest first: what was answered, where, what they were drawn for, and the text
    where it is kept.

    Raises:
        AuditStoreError: the database cannot be read.
    """
    rows = store.rows(
        "SELECT answers.task, request_id, answers.document_id AS id, field, tier, value, spans, confidence, guarantee,"
        " answers.created, sampled_for, state, texts.text FROM answers"
        " LEFT JOIN texts ON texts.task = answers.task AND texts.digest = answers.digest"
        " WHERE judge = 'person' AND judged_at IS NULL AND (? IS NULL OR answers.task = ?)"
        " ORDER BY answers.id",
        *(task, task),
    )
    return [{**row, "value": json.loads(row["value"]), "spans": json.loads(row["spans"])} for row in rows]


def evidence_words(test: Mapping[str, Any]) -> str:
    """One test's evidence for people: ``e^…`` is the factor by which the promise would have lost its bets."""
    if test["doubted_at"] is not None:
        return "IN DOUBT"
    log_evidence = test["log_evidence"]
    return "kept" if log_evidence is None else f"kept (evidence against it {_factor(log_evidence)})"


def _factor(log_evidence: float) -> str:
    return f"{math.exp(log_evidence):.2g}" if -700 < log_evidence < 700 else f"e^{log_evidence:.0f}"
