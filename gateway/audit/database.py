"""The audit database's file: one SQLite file that all processes of a machine share.

Writers queue for one lock and wait for it; readers never wait (write-ahead log). A transaction that was committed
outlives a killed process and a failed machine (``synchronous = FULL``); one that was not leaves no trace.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.audit.schema import migrate
from gateway.errors import AuditStoreError

#: Seconds a writer waits for the others.
BUSY_SECONDS = 20.0


class Database:
    """A connection that threads of one process may share; it is opened at its first use.

    Args:
        path: the file; it and its directory are made private to this user where they are not there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self.path.is_file()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for statements that only read.

        Raises:
            AuditStoreError: the file cannot be used.
        """
        with self._lock, self._errors():
            yield self._open()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block is kept when it ends well, nothing of it otherwise.

        Raises:
            AuditStoreError: the file cannot be used.
        """
        with self._lock, self._errors():
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # Made here: SQLite would make it readable to others, and its other files take its mode.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            except OSError as error:
                raise AuditStoreError(f"{self.path}: cannot be opened ({error.strerror})") from error
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise AuditStoreError(f"{self.path}: {error}") from error
