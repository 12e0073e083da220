"""A process's auditor, from its settings."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.audit.auditor import Auditor
from gateway.audit.budget import AuditBudget
from gateway.audit.database import Database
from gateway.audit.references import References
from gateway.audit.store import AuditStore
from gateway.audit.terms import Terms, audit_path
from gateway.engine import Engine
from gateway.settings import Settings
from gateway.telemetry.audits import AuditMetrics
from gateway.telemetry.logs import facts
from gateway.telemetry.metrics import Metrics

_log = logging.getLogger("gateway.audit")


def open_store(settings: Settings, home: Path | None) -> AuditStore:
    """The store that the settings say; nothing is made or opened before it is used."""
    return AuditStore(
        Database(audit_path(settings, home)),
        keep_texts=settings.audit_keep_text,
        days=settings.audit_days,
        rows=settings.audit_rows,
    )


@asynccontextmanager
async def auditing(engine: Engine, settings: Settings, metrics: Metrics, home: Path | None) -> AsyncIterator[Auditor]:
    """An auditor that works while the block runs.

    Args:
        engine: of the process.
        settings: how much is audited, and so on.
        metrics: where it is counted.
        home: the directory with ``rules/`` and ``models/``; without one there are no references.
    """
    store = open_store(settings, home)
    terms = Terms.of(settings)
    if terms.calibration_share > 0 and not settings.audit_keep_text:
        _log.warning(
            "documents are drawn for calibration, and their texts are not kept: set CASCADE_AUDIT_KEEP_TEXT",
            extra=facts(code="texts-not-kept"),
        )
    auditor = Auditor(
        engine,
        store,
        AuditBudget(store.database, terms.daily_budget),
        References(home / "models" if home is not None else None),
        terms,
        AuditMetrics(metrics),
    )
    await auditor.start()
    engine.doubted = auditor.escalated
    try:
        yield auditor
    finally:
        await auditor.close()
