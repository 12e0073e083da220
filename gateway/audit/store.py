"""What audits and feedback leave behind: answers drawn for an audit, judgements on them, texts where they may be kept.

One SQLite file for all processes (:mod:`gateway.audit.database`), bounded by age and by rows. Every method raises
:class:`gateway.errors.AuditStoreError` when the file cannot be used.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.audit import ledger
from gateway.audit.database import Database
from gateway.audit.evidence import Alarm
from gateway.audit.ledger import Judged, Standing
from gateway.document import Document
from gateway.errors import AmbiguousFeedback
from gateway.evaluation.dataset import text_digest

Judge = Literal["large", "person"]
#: What an answer was drawn for: to test what was promised, or as part of a document to calibrate with.
Purpose = Literal["audit", "calibration"]
#: What had become of it. ``not-asked``: the request did not ask for the field.
AuditedState = Literal["accepted", "review", "not-asked"]
#: Whether two sets of values are the same under the field's type: ``same(expected, answered)``.
Same = Callable[[Sequence[str], Sequence[str]], bool]
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class AuditedAnswer:
    """An answer that was drawn: an accepted one for an audit, or any as part of a document for calibration.

    ``value`` holds the values in the form labels use, none for an accepted absence. ``allowed`` is the probability of a
    wrong answer (``judge`` is ``person``) or of a disagreement (``large``) that keeps the promise; ``None`` where there
    is no promise to be tested. ``policy`` tells the promise (:attr:`gateway.loaded.LoadedTask.promise`).
    """

    task: str
    request_id: str
    document_id: str | None
    digest: str
    field: str
    tier: str
    value: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    confidence: float
    guarantee: float | None
    allowed: float | None
    policy: str
    judge: Judge
    sampled_for: Purpose = "audit"
    state: AuditedState = "accepted"


@dataclass(frozen=True)
class Correction:
    """What a person says a field's value is: none for "it is not there".

    ``request_id`` or ``document_id`` says in which document; ``answer`` is what the gateway had answered, where the
    person repeats it.
    """

    task: str
    field: str
    value: tuple[str, ...]
    request_id: str | None = None
    document_id: str | None = None
    text: str | None = None
    answer: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Kept:
    """What became of a correction.

    ``result``: ``new``; ``same``, it was there already; ``changed``, it replaces an earlier one. ``agree``: whether the
    gateway's answer was right, ``None`` where that is not known. ``audit``: it answered a question that was drawn at
    random; if that was about an accepted answer, it counts in the tests.
    """

    result: Literal["new", "same", "changed"]
    agree: bool | None
    audit: bool
    text_kept: bool
    doubting: tuple[Standing, ...] = ()


class AuditStore:
    """Reads and writes the audit database.

    Args:
        database: its file.
        keep_texts: whether texts may be kept; without, only their digests are.
        days, rows: how long, and how many answers, judgements and texts (of each) are kept.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        *,
        keep_texts: bool = False,
        days: float = 90.0,
        rows: int = 100_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database = database
        self.keep_texts = keep_texts
        self._days = days
        self._rows = rows
        self._clock = clock

    def ask(self, answers: Sequence[AuditedAnswer], document: Document) -> None:
        """Keep answers of one document as open questions to a person."""
        with self.database.writing() as connection:
            for answer in answers:
                self._insert(connection, answer)
            self._keep_text(connection, answers[0].task, document)

    def judged(
        self,
        answers: Sequence[AuditedAnswer],
        said: Sequence[tuple[str, ...]],
        agree: Sequence[bool],
        document: Document,
        alarm: Alarm,
    ) -> list[Standing]:
        """Keep answers of one document with what the large tier said of them; the tests that begin to doubt now."""
        judged: list[Judged] = []
        now = self._clock()
        with self.database.writing() as connection:
            counted = bool(answers) and self._person_judged(connection, answers[0])
            for answer, value, agrees in zip(answers, said, agree, strict=True):
                if not self._insert(connection, answer, agree=agrees):
                    continue  # the same answer again: a repeated request id
                self._judge(connection, answer, value, agrees, now)
                judged.append(Judged(answer.field, answer.tier, answer.judge, not agrees, answer.allowed))
            if not judged:
                return []
            first = answers[0]
            self._keep_text(connection, first.task, document)
            return ledger.advance(connection, first.task, first.policy, judged, alarm, now, whole=not counted)

    def correct(self, correction: Correction, same: Same, alarm: Alarm) -> Kept:
        """Keep a person's correction. Sent again it changes nothing; another value replaces the earlier one.

        Only the first answer to a question that was drawn at random advances the tests: corrections that people
        volunteer are about what caught their eye, and say nothing about the rate of errors.

        Raises:
            AmbiguousFeedback: the request had several documents and it is not said which.
        """
        now = self._clock()
        with self.database.writing() as connection:
            found = self._find(connection, correction)
            key = (
                correction.task,
                correction.request_id or (found["request_id"] if found else ""),
                correction.document_id or (found["document_id"] if found else None) or "",
                correction.field,
            )
            answered = correction.answer
            if found is not None:
                answered = None if found["state"] == "not-asked" else tuple(json.loads(found["value"]))
            agree = None if answered is None else same(correction.value, answered)
            digest: str | None = found["digest"] if found else None
            document: Document | None = None
            if correction.text is not None:
                digest = text_digest(correction.text)
                document = Document(correction.text, key[2] or None)
            kept = self._keep_text(connection, correction.task, document) or self._has_text(
                connection, correction.task, digest
            )
            value = json.dumps(list(correction.value), ensure_ascii=False)
            earlier = connection.execute(
                "SELECT id, value, agree, sampled FROM judgements WHERE task = ? AND request_id = ?"
                " AND document_id = ? AND field = ? AND judge = 'person'",
                key,
            ).fetchone()
            if earlier is not None:
                connection.execute(
                    "UPDATE judgements SET value = ?, agree = ?, digest = coalesce(?, digest) WHERE id = ?",
                    (value, agree, digest, earlier["id"]),
                )
                if found is not None and earlier["sampled"]:
                    connection.execute("UPDATE answers SET agree = ? WHERE id = ?", (agree, found["id"]))
                result: Literal["same", "changed"] = "same" if earlier["value"] == value else "changed"
                return Kept(result, agree, bool(earlier["sampled"]), kept)
            sampled = found is not None and found["judge"] == "person" and found["judged_at"] is None
            connection.execute(
                "INSERT INTO judgements (task, request_id, document_id, digest, field, judge, value, agree, sampled,"
                " created) VALUES (?, ?, ?, ?, ?, 'person', ?, ?, ?, ?)",
                (*key[:3], digest, key[3], value, agree, sampled, now),
            )
            if found is None or not sampled:
                return Kept("new", agree, False, kept)
            connection.execute("UPDATE answers SET agree = ?, judged_at = ? WHERE id = ?", (agree, now, found["id"]))
            if found["sampled_for"] != "audit" and found["allowed"] is None:
                return Kept("new", agree, True, kept)  # nothing was promised of it
            judged = Judged(found["field"], found["tier"], "person", not agree, found["allowed"])
            stands = self._stands_for_document(connection, found)
            doubting = ledger.advance(connection, found["task"], found["policy"], [judged], alarm, now, whole=stands)
            return Kept("new", agree, True, kept, tuple(doubting))

    def purge(self) -> int:
        """Remove what is too old or too much; the number of rows removed. Tests and totals stay."""
        oldest = self._clock() - self._days * SECONDS_A_DAY
        removed = 0
        with self.database.writing() as connection:
            for table in ("answers", "judgements"):
                removed += connection.execute(
                    f"DELETE FROM {table} WHERE created < ?"
                    f" OR id NOT IN (SELECT id FROM {table} ORDER BY id DESC LIMIT ?)",
                    (oldest, self._rows),
                ).rowcount
            removed += connection.execute(
                "DELETE FROM texts WHERE created < ? OR NOT EXISTS (SELECT 1 FROM answers WHERE answers.task ="
                " texts.task AND answers.digest = texts.digest) AND NOT EXISTS (SELECT 1 FROM judgements WHERE"
                " judgements.task = texts.task AND judgements.digest = texts.digest)",
                (oldest,),
            ).rowcount
        return removed

    def standings(self, task: str | None = None) -> list[Standing]:
        """Every test about fields and tasks."""
        with self.database.reading() as connection:
            return ledger.standings(connection, task)

    def restart(self, task: str) -> int:
        """Forget all tests of a task, doubts included; the number of tests that were. Judgements stay."""
        with self.database.writing() as connection:
            return int(connection.execute("DELETE FROM tests WHERE task = ?", (task,)).rowcount)

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """What a ``SELECT`` finds, for reports."""
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(statement, values)]

    def _insert(self, connection: sqlite3.Connection, answer: AuditedAnswer, agree: bool | None = None) -> bool:
        now = self._clock()
        done = connection.execute(
            "INSERT OR IGNORE INTO answers (task, request_id, document_id, digest, field, tier, value, spans,"
            " confidence, guarantee, allowed, policy, judge, agree, judged_at, created, sampled_for, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(answer.task, answer.request_id, answer.document_id, answer.digest, answer.field, answer.tier),
                json.dumps(list(answer.value), ensure_ascii=False),
                json.dumps([list(span) for span in answer.spans]),
                *(answer.confidence, answer.guarantee, answer.allowed, answer.policy, answer.judge),
                *(agree, None if agree is None else now, now, answer.sampled_for, answer.state),
            ),
        )
        return done.rowcount == 1

    @staticmethod
    def _judge(
        connection: sqlite3.Connection, answer: AuditedAnswer, value: tuple[str, ...], agree: bool, now: float
    ) -> None:
        connection.execute(
            "INSERT OR IGNORE INTO judgements (task, request_id, document_id, digest, field, judge, value, agree,"
            " sampled, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)",
            (
                *(answer.task, answer.request_id, answer.document_id or "", answer.digest, answer.field),
                *(answer.judge, json.dumps(list(value), ensure_ascii=False), agree, now),
            ),
        )

    def _keep_text(self, connection: sqlite3.Connection, task: str, document: Document | None) -> bool:
        if not self.keep_texts or document is None:
            return False
        known = {"context": document.context, "lines": document.lines, "reference_date": document.reference_date}
        extra = {name: value for name, value in {**known, "locale": document.locale}.items() if value is not None}
        connection.execute(
            "INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(task, text_digest(document.text), document.id, document.text),
                *(json.dumps(extra, ensure_ascii=False), self._clock()),
            ),
        )
        return True

    @staticmethod
    def _has_text(connection: sqlite3.Connection, task: str, digest: str | None) -> bool:
        found = connection.execute("SELECT 1 FROM texts WHERE task = ? AND digest = ?", (task, digest)).fetchone()
        return found is not None

    @staticmethod
    def _find(connection: sqlite3.Connection, correction: Correction) -> sqlite3.Row | None:
        """The audited answer that a correction is about, if it was drawn."""
        rows = connection.execute(
            "SELECT * FROM answers WHERE task = ? AND field = ? AND (? IS NULL OR request_id = ?)"
            " AND (? IS NULL OR document_id = ?) ORDER BY id DESC LIMIT 100",
            (
                *(correction.task, correction.field, correction.request_id, correction.request_id),
                *(correction.document_id, correction.document_id),
            ),
        ).fetchall()
        if correction.text is not None:
            digest = text_digest(correction.text)
            rows = [row for row in rows if row["digest"] == digest] or rows
        if correction.request_id is not None and len({row["digest"] for row in rows}) > 1:
            raise AmbiguousFeedback(
                "the request had several documents; say which by its id", detail={"request_id": correction.request_id}
            )
        found: sqlite3.Row | None = rows[0] if rows else None
        return found

    @staticmethod
    def _stands_for_document(connection: sqlite3.Connection, answer: sqlite3.Row) -> bool:
        """Whether a person's judgement of ``answer`` is the one that counts for the task as a whole.

        The fields of a document are wrong together, so one of them counts: what the large tier judged, else the field
        that was drawn first. Which one a person takes up first must not decide: it may be the one that looks wrong.
        """
        found = connection.execute(
            "SELECT id FROM answers WHERE task = ? AND request_id = ? AND digest = ? AND allowed IS NOT NULL"
            " ORDER BY judge != 'large', id LIMIT 1",
            (answer["task"], answer["request_id"], answer["digest"]),
        ).fetchone()
        return found is not None and found["id"] == answer["id"]

    @staticmethod
    def _person_judged(connection: sqlite3.Connection, answer: AuditedAnswer) -> bool:
        """Whether a person was faster than the large tier with another field of the same document."""
        found = connection.execute(
            "SELECT 1 FROM answers WHERE task = ? AND request_id = ? AND digest = ? AND judge = 'person'"
            " AND judged_at IS NOT NULL AND allowed IS NOT NULL",
            (answer.task, answer.request_id, answer.digest),
        ).fetchone()
        return found is not None
