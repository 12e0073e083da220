"""On what terms answers are audited, from the settings; and where the audit database lies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.audit.evidence import Alarm
from gateway.settings import Settings

FILE = "audit.sqlite3"
#: What the limits of audits by the large tier may err with where ``CASCADE_AUDIT_ALPHA`` is 0, so that only the run
#: length raises an alarm.
_USUAL_ALPHA = 0.05
STATE_HOME_VARIABLE = "XDG_STATE_HOME"


@dataclass(frozen=True)
class Terms:
    """See ``docs/settings.md`` for each (``CASCADE_AUDIT_…``, ``CASCADE_SHIFT_SHARE``, ``CASCADE_ON_DOUBT``)."""

    share: float = 0.0
    task_shares: Mapping[str, float] = field(default_factory=dict)
    by: Literal["large", "person"] = "large"
    daily_budget: float = 1.0
    queue: int = 256
    large_depth: int = 0
    alarm: Alarm = field(default_factory=lambda: Alarm(0.05, 100_000))
    shift_share: float = 0.0
    calibration_share: float = 0.0
    escalate: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        """The terms that the settings say."""
        return cls(
            share=settings.audit_share,
            task_shares=dict(settings.audit_task_shares),
            by=settings.audit_by,
            daily_budget=settings.audit_daily_budget,
            queue=settings.audit_queue,
            large_depth=settings.audit_large_depth,
            alarm=Alarm(settings.audit_alpha, settings.audit_run_length),
            shift_share=settings.shift_share,
            calibration_share=settings.calibration_share,
            escalate=settings.on_doubt == "escalate",
        )

    def share_of(self, task: str) -> float:
        """The share of a task's accepted answers that is audited."""
        return self.task_shares.get(task, self.share)

    def promise_alarm(self, fields: int) -> Alarm:
        """The alarm of one test of a task with so many fields: of a field, or of all together. The tests share one half
        of alpha; the other is for limits that were measured (:meth:`limit_alpha`)."""
        return Alarm(self.alarm.alpha / 2, self.alarm.run_length).split(fields + 1)

    def limit_alpha(self, fields: int) -> float:
        """With what probability any of a field's measured limits may be too low (:mod:`gateway.audit.agreement`)."""
        return (self.alarm.alpha or _USUAL_ALPHA) / 2 / max(1, fields)


def audit_path(settings: Settings, home: Path | None) -> Path:
    """The audit database: in ``CASCADE_STATE``; unset, in this user's directory for state, apart for every home.

    Unlike the rest of what ``CASCADE_STATE`` is for, feedback must not be lost with a restart.
    """
    if settings.state is not None:
        return settings.state.expanduser().absolute() / FILE
    configured = os.environ.get(STATE_HOME_VARIABLE)
    base = Path(configured) if configured else Path.home() / ".local" / "state"
    place = str(home.absolute() if home is not None else Path.cwd())
    return base / "cascade-gateway" / hashlib.sha256(place.encode()).hexdigest()[:12] / FILE
