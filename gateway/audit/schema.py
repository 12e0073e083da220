"""The audit database's tables, and how an older one is brought up to date.

``PRAGMA user_version`` holds the number of migrations applied; each runs once, in a transaction of its own. To change
the schema, add one at the end and never edit another.
"""

from __future__ import annotations

import sqlite3

from gateway.errors import AuditStoreError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # Answers that were drawn for an audit. `value` and `spans` are JSON lists; `allowed` is the limit of the test.
        """CREATE TABLE answers (
            id INTEGER PRIMARY KEY,
            task TEXT NOT NULL,
            request_id TEXT NOT NULL,
            document_id TEXT,
            digest TEXT NOT NULL,
            field TEXT NOT NULL,
            tier TEXT NOT NULL,
            value TEXT NOT NULL,
            spans TEXT NOT NULL,
            confidence REAL NOT NULL,
            guarantee REAL,
            allowed REAL,
            policy TEXT NOT NULL,
            judge TEXT NOT NULL,
            agree INTEGER,
            judged_at REAL,
            created REAL NOT NULL,
            UNIQUE (task, request_id, digest, field)
        )""",
        "CREATE INDEX answers_by_document ON answers (task, document_id, field)",
        "CREATE INDEX answers_open ON answers (task, created) WHERE agree IS NULL",
        "CREATE INDEX answers_by_age ON answers (created)",
        # What somebody says the value is; `judge` is `large` or `person`. The latest of a judge counts.
        """CREATE TABLE judgements (
            id INTEGER PRIMARY KEY,
            task TEXT NOT NULL,
            request_id TEXT NOT NULL,
            document_id TEXT NOT NULL,
            digest TEXT,
            field TEXT NOT NULL,
            judge TEXT NOT NULL,
            value TEXT NOT NULL,
            agree INTEGER,
            sampled INTEGER NOT NULL,
            created REAL NOT NULL,
            UNIQUE (task, request_id, document_id, field, judge)
        )""",
        "CREATE INDEX judgements_by_text ON judgements (task, digest)",
        "CREATE INDEX judgements_by_age ON judgements (created)",
        # Texts, only where they may be kept; `extra` is what else was known of the document.
        """CREATE TABLE texts (
            task TEXT NOT NULL,
            digest TEXT NOT NULL,
            document_id TEXT,
            text TEXT NOT NULL,
            extra TEXT NOT NULL,
            created REAL NOT NULL,
            PRIMARY KEY (task, digest)
        )""",
        # Running tests: of a field, or of a whole task or of its traffic, under one policy.
        """CREATE TABLE tests (
            task TEXT NOT NULL,
            subject TEXT NOT NULL,
            policy TEXT NOT NULL,
            state TEXT NOT NULL,
            doubted_at REAL,
            updated REAL NOT NULL,
            PRIMARY KEY (task, subject, policy)
        )""",
        "CREATE TABLE spending (day INTEGER NOT NULL, currency TEXT NOT NULL, amount REAL NOT NULL,"
        " PRIMARY KEY (day, currency))",
        # Audits by task, field, tier, judge and verdict for as long as the file lives: rows above are removed with age.
        """CREATE TABLE totals (
            task TEXT NOT NULL,
            field TEXT NOT NULL,
            tier TEXT NOT NULL,
            judge TEXT NOT NULL,
            agreed INTEGER NOT NULL,
            disagreed INTEGER NOT NULL,
            PRIMARY KEY (task, field, tier, judge)
        )""",
    ),
    (
        # Documents are drawn for calibration too: `sampled_for` is `audit` or `calibration`, `state` whether the answer
        # was `accepted`, in `review` or `not-asked`. The column `policy` holds what tells promises apart.
        "ALTER TABLE answers ADD COLUMN sampled_for TEXT NOT NULL DEFAULT 'audit'",
        "ALTER TABLE answers ADD COLUMN state TEXT NOT NULL DEFAULT 'accepted'",
        "CREATE INDEX answers_by_text ON answers (task, digest)",
    ),
)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that are missing; several processes may do so at once.

    Raises:
        AuditStoreError: the file was written by a later version of this program.
    """
    while (version := _version(connection)) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == version:  # nobody else was faster
                for statement in MIGRATIONS[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    if version > len(MIGRATIONS):
        raise AuditStoreError(
            f"the audit database has schema {version}, this program knows up to {len(MIGRATIONS)}: update the program"
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
