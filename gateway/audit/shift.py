"""The test of the traffic: does it still look like the calibration documents?

Each signal has a test of its own. Each is fair when only its own past is known, and not given that of the others, so
that their mean would be no fair bet. An alarm is raised when the evidence of a single one of S signals reaches S / α:
by the union bound the chance of a false alarm is at most α, however they depend on each other. A shift is no proof that
answers are wrong, and answers can go wrong without one.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.audit.conformal import Ranking
from gateway.audit.database import Database
from gateway.audit.evidence import Alarm
from gateway.audit.ledger import TRAFFIC
from gateway.audit.reference import Reference


@dataclass(frozen=True)
class Shift:
    """Where the test of a task's traffic stands after ``documents`` documents."""

    rankings: Mapping[str, Ranking]
    documents: int = 0

    @classmethod
    def start(cls, reference: Reference) -> Shift:
        """Before any traffic."""
        return cls({name: Ranking.start(counts) for name, counts in reference.signals.items()})

    def step(self, signals: Mapping[str, int], source: random.Random) -> Shift:
        """After one more document; ``source`` breaks ties among scores."""
        rankings = {name: ranking.step(signals[name], source.random()) for name, ranking in self.rankings.items()}
        return Shift(rankings, self.documents + 1)

    @property
    def log_for_ever(self) -> float:
        """ln of the leading signal's evidence over the number of signals, against ln(1/α): 1 over it bounds the chance
        of ever seeing so much in traffic like the reference."""
        return self.rankings[self.leading].evidence.log_for_ever - math.log(len(self.rankings))

    @property
    def leading(self) -> str:
        """The signal with the most evidence."""
        return max(self.rankings, key=lambda name: self.rankings[name].evidence.log_for_ever)

    def raised(self, alarm: Alarm) -> bool:
        """Whether the evidence is enough; only the chance of a false alarm for ever counts here."""
        return self.documents > 0 and alarm.alpha > 0 and self.log_for_ever >= -math.log(alarm.alpha)

    def as_json(self) -> dict[str, Any]:
        rankings = {name: ranking.as_json() for name, ranking in self.rankings.items()}
        return {"documents": self.documents, "rankings": rankings}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Shift:
        return cls({name: Ranking.from_json(found) for name, found in raw["rankings"].items()}, int(raw["documents"]))


@dataclass(frozen=True)
class ShiftStanding:
    """What the store knows of a task's traffic."""

    task: str
    policy: str
    documents: int
    log_evidence: float | None
    leading: str | None
    noticed_at: float | None

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def take(
    database: Database,
    reference: Reference,
    policy: str,
    documents: Iterable[Mapping[str, int]],
    alarm: Alarm,
    now: float,
) -> ShiftStanding | None:
    """Take the signals of documents into the stored test; its standing when the shift is noticed now, else ``None``.

    Raises:
        AuditStoreError: the database cannot be used.
    """
    source = random.SystemRandom()
    with database.writing() as connection:
        row = connection.execute(
            "SELECT state, doubted_at FROM tests WHERE task = ? AND subject = ? AND policy = ?",
            (reference.task, TRAFFIC, policy),
        ).fetchone()
        shift = Shift.start(reference) if row is None else Shift.from_json(json.loads(row["state"]))
        noticed: float | None = None if row is None else row["doubted_at"]
        begins = False
        for signals in documents:
            shift = shift.step(signals, source)
            if noticed is None and shift.raised(alarm):
                noticed, begins = now, True
        connection.execute(
            "INSERT INTO tests VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET state = excluded.state, doubted_at = excluded.doubted_at, updated = excluded.updated",
            (reference.task, TRAFFIC, policy, json.dumps(shift.as_json()), noticed, now),
        )
    return _standing(reference.task, policy, shift, noticed) if begins else None


def shift_standings(database: Database, task: str | None = None) -> list[ShiftStanding]:
    """The tests of all tasks' traffic, or of one task's.

    Raises:
        AuditStoreError: the database cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT * FROM tests WHERE subject = ? AND (? IS NULL OR task = ?) ORDER BY task, updated",
            (TRAFFIC, task, task),
        ).fetchall()
    return [
        _standing(row["task"], row["policy"], Shift.from_json(json.loads(row["state"])), row["doubted_at"])
        for row in rows
    ]


def _standing(task: str, policy: str, shift: Shift, noticed: float | None) -> ShiftStanding:
    some = shift.documents > 0
    evidence = round(shift.log_for_ever, 4) if some else None
    return ShiftStanding(task, policy, shift.documents, evidence, shift.leading if some else None, noticed)
