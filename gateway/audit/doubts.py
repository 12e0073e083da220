"""What the tests in the store say now, for those who must not wait for a database: kept fresh, read without one."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gateway.audit.drawing import NO_POLICY
from gateway.audit.ledger import ALL_FIELDS, Standing
from gateway.audit.listening import AuditListener
from gateway.audit.shift import ShiftStanding, shift_standings
from gateway.audit.store import AuditStore
from gateway.loaded import LoadedTask
from gateway.telemetry.logs import facts

#: How a log line and ``/readyz`` name a promise in doubt, and traffic that has changed.
DOUBT_CODE, SHIFT_CODE = "quality-in-doubt", "traffic-shifted"
#: The label that stands for all fields together.
ALL_LABEL = "all"
_log = logging.getLogger("gateway.audit")


class Doubts:
    """A copy of the tests' verdicts. Only those about the promise in force count (:attr:`LoadedTask.promise`): a policy
    that decides otherwise is a new one, one that was only made again is not."""

    def __init__(self) -> None:
        self._fields: Mapping[tuple[str, str], frozenset[str]] = {}
        self._shifted: frozenset[tuple[str, str]] = frozenset()

    def refresh(self, store: AuditStore) -> None:
        """Read the store again.

        Raises:
            AuditStoreError: it cannot be read.
        """
        fields: dict[tuple[str, str], set[str]] = {}
        for standing in store.standings():
            if standing.doubted_at is not None:
                fields.setdefault((standing.task, standing.policy), set()).add(standing.subject)
        shifts = shift_standings(store.database)
        self._fields = {key: frozenset(subjects) for key, subjects in fields.items()}
        self._shifted = frozenset((shift.task, shift.policy) for shift in shifts if shift.noticed_at is not None)

    def fields(self, task: LoadedTask) -> frozenset[str]:
        """The fields whose promise is in doubt; all of them where that of the task as a whole is."""
        subjects = self._subjects(task)
        return frozenset(task.spec.fields) if ALL_FIELDS in subjects else subjects & frozenset(task.spec.fields)

    def shifted(self, task: LoadedTask) -> bool:
        """Whether the traffic no longer looks like the calibration documents."""
        return _key(task) in self._shifted

    def warnings(self, task: LoadedTask) -> list[str]:
        """Sentences for operators."""
        subjects = self._subjects(task)
        said = [
            f"{DOUBT_CODE}: more of the accepted answers seem wrong than was promised for {name}"
            for name in sorted(subjects - {ALL_FIELDS})
        ]
        if ALL_FIELDS in subjects:
            said.append(f"{DOUBT_CODE}: more of the accepted answers seem wrong than was promised, fields together")
        if self.shifted(task):
            said.append(f"{SHIFT_CODE}: documents no longer look like those the quality was measured on")
        return said

    def tell(self, task: LoadedTask, listener: AuditListener) -> None:
        """Set the metrics of one task."""
        name, subjects = task.spec.name, self._subjects(task)
        for field in task.spec.fields:
            listener.doubt(name, field, field in subjects)
        listener.doubt(name, ALL_LABEL, ALL_FIELDS in subjects)
        listener.shift(name, self.shifted(task))

    def _subjects(self, task: LoadedTask) -> frozenset[str]:
        return self._fields.get(_key(task), frozenset())


def _key(task: LoadedTask) -> tuple[str, str]:
    return task.spec.name, task.promise or NO_POLICY


def log_doubt(standing: Standing) -> None:
    """One warning when a test begins to doubt."""
    _log.warning(
        "more accepted answers seem wrong than was promised",
        extra=facts(
            code=DOUBT_CODE,
            task=standing.task,
            field=ALL_LABEL if standing.subject == ALL_FIELDS else standing.subject,
            policy=standing.policy,
            audits=standing.evidence.steps,
            log_evidence=round(standing.evidence.log_for_ever, 3),
            log_run_length=round(standing.evidence.log_run_length, 3),
        ),
    )


def log_shift(standing: ShiftStanding) -> None:
    """One warning when the traffic is seen to have changed."""
    _log.warning(
        "documents no longer look like those the quality was measured on",
        extra=facts(
            code=SHIFT_CODE,
            task=standing.task,
            policy=standing.policy,
            documents=standing.documents,
            log_evidence=standing.log_evidence,
            signal=standing.leading,
        ),
    )
