from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.database import Database
from gateway.audit.store import AuditedAnswer, AuditStore
from gateway.evaluation.dataset import text_digest


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "state" / "audit.sqlite3")


@pytest.fixture
def store(database: Database) -> AuditStore:
    return AuditStore(database, keep_texts=True)


@pytest.fixture
def answer() -> Callable[..., AuditedAnswer]:
    """An audited answer; every part can be said."""

    def make(**parts: object) -> AuditedAnswer:
        usual: dict[str, object] = {
            "task": "bills",
            "request_id": "r-1",
            "document_id": None,
            "digest": text_digest("TOTAL 9.00"),
            "field": "total",
            "tier": "rules",
            "value": ("9.00",),
            "spans": ((0, 4),),
            "confidence": 0.97,
            "guarantee": 0.95,
            "allowed": 0.05,
            "policy": "p",
            "judge": "person",
        }
        return AuditedAnswer(**{**usual, **parts})  # type: ignore[arg-type]

    return make
