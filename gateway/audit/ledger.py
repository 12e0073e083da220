"""The running tests in the audit database, and the totals they are about."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.audit import promise
from gateway.audit.evidence import Alarm, Evidence

#: The subject of the test about all fields of a task together. No field can have the name.
ALL_FIELDS = "*"
#: The subject of the test about a task's traffic (see :mod:`gateway.audit.shift`).
TRAFFIC = "~"


@dataclass(frozen=True)
class Judged:
    """One judged answer of a document: what was observed (1: wrong, 0: right), and the limit, if it can be tested."""

    field: str
    tier: str
    judge: str
    wrong: bool
    allowed: float | None


@dataclass(frozen=True)
class Standing:
    """Where one test stands. ``doubted_at`` is when it said that the promise is in doubt (seconds since 1970)."""

    task: str
    subject: str
    policy: str
    evidence: Evidence
    doubted_at: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "subject": self.subject,
            "policy": self.policy,
            "steps": self.evidence.steps,
            "log_evidence": round(self.evidence.log_for_ever, 4) if self.evidence.steps else None,
            "log_run_length": round(self.evidence.log_run_length, 4) if self.evidence.steps else None,
            "doubted_at": self.doubted_at,
        }


def standings(connection: sqlite3.Connection, task: str | None = None) -> list[Standing]:
    """Every test about fields and tasks, of one task or of all; tests about traffic are left out."""
    rows = connection.execute(
        "SELECT * FROM tests WHERE subject != ? AND (? IS NULL OR task = ?) ORDER BY task, policy, subject",
        (TRAFFIC, task, task),
    )
    return [
        Standing(
            row["task"], row["subject"], row["policy"], Evidence.from_json(json.loads(row["state"])), row["doubted_at"]
        )
        for row in rows
    ]


def advance(
    connection: sqlite3.Connection,
    task: str,
    policy: str,
    document: Sequence[Judged],
    alarm: Alarm,
    now: float,
    *,
    whole: bool = True,
) -> list[Standing]:
    """Take the judged answers of one document into the totals and the tests; the tests that begin to doubt now.

    To be called in a transaction. ``alarm`` is that of a single test. With ``whole`` false the document was judged in
    part before, and does not count once more for the task as a whole.
    """
    doubting: list[Standing] = []
    for judged in document:
        connection.execute(
            "INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET agreed = agreed + excluded.agreed, disagreed = disagreed + excluded.disagreed",
            (task, judged.field, judged.tier, judged.judge, not judged.wrong, judged.wrong),
        )
    tested = [(judged.field, float(judged.wrong), judged.allowed) for judged in document if judged.allowed is not None]
    for field, wrong, allowed in tested:
        before = _read(connection, task, field, policy)
        doubting += _write(connection, before, promise.observe(before.evidence, wrong, allowed), alarm, now)
    if tested and whole:
        before = _read(connection, task, ALL_FIELDS, policy)
        evidence = promise.observe_document(before.evidence, [(wrong, allowed) for _, wrong, allowed in tested])
        doubting += _write(connection, before, evidence, alarm, now)
    return doubting


def _read(connection: sqlite3.Connection, task: str, subject: str, policy: str) -> Standing:
    row = connection.execute(
        "SELECT state, doubted_at FROM tests WHERE task = ? AND subject = ? AND policy = ?", (task, subject, policy)
    ).fetchone()
    if row is None:
        return Standing(task, subject, policy, promise.start(), None)
    return Standing(task, subject, policy, Evidence.from_json(json.loads(row["state"])), row["doubted_at"])


def _write(
    connection: sqlite3.Connection, before: Standing, evidence: Evidence, alarm: Alarm, now: float
) -> list[Standing]:
    begins = before.doubted_at is None and alarm.raised(evidence)
    # Once in doubt, a test stays so until it is restarted or the policy is another: evidence does not become untrue.
    after = Standing(before.task, before.subject, before.policy, evidence, now if begins else before.doubted_at)
    connection.execute(
        "INSERT INTO tests VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET state = excluded.state, doubted_at = excluded.doubted_at, updated = excluded.updated",
        (after.task, after.subject, after.policy, json.dumps(evidence.as_json()), after.doubted_at, now),
    )
    return [after] if begins else []
