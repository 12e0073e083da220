"""Who is told what audits come to: the metrics."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

#: Why an answer that was drawn, or the signals of a document, were not looked at.
Dropped = Literal["queue-full", "budget", "unpriced", "unavailable", "busy", "failed", "stopped"]
DROPPED: tuple[Dropped, ...] = get_args(Dropped)


class AuditListener(Protocol):
    """Told what becomes of audits, feedback and tests."""

    def audited(self, task: str, field: str, tier: str, agree: bool, allowed: float | None) -> None:
        """The large tier judged an answer. ``allowed``: how probable its disagreement may be while the promise is kept;
        ``None`` where that is not known, so that nothing was tested."""
        ...

    def audit_dropped(self, task: str, reason: Dropped, count: int) -> None:
        """Answers that were drawn are not audited."""
        ...

    def audit_cost(self, task: str, currency: str, amount: float) -> None:
        """What an audit did cost."""
        ...

    def feedback(self, task: str, field: str, verdict: str) -> None:
        """A correction was kept: the gateway's answer was ``right``, ``wrong``, or it is ``unknown``."""
        ...

    def doubt(self, task: str, field: str, doubted: bool) -> None:
        """Whether the promise is in doubt; ``all`` stands for all fields together."""
        ...

    def shift(self, task: str, noticed: bool) -> None:
        """Whether the traffic no longer looks like the calibration documents."""
        ...
