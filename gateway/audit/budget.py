"""The money audits may spend in a day (UTC), counted for all processes in the audit database.

Money is taken before the work is done, as an estimate, and put right afterwards: audits that run at the same time
cannot together reserve more than the budget. A process that dies in between leaves its estimate spent.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.audit.database import Database

SECONDS_A_DAY = 86_400
_DAYS_KEPT = 400


@dataclass(frozen=True)
class Reservation:
    """Money taken before the work; ``day`` counts from 1970."""

    currency: str
    amount: float
    day: int


class AuditBudget:
    """A daily amount for each currency that tasks have.

    Args:
        database: where it is counted.
        daily: the most that may be reserved and spent in a day, in each currency.
        clock: seconds since 1970.
    """

    def __init__(self, database: Database, daily: float, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._daily = daily
        self._clock = clock

    def reserve(self, currency: str, amount: float) -> Reservation | None:
        """Take ``amount`` of today's budget; ``None`` when less than that is left.

        Raises:
            AuditStoreError: it cannot be counted.
        """
        day = self._today()
        with self._database.writing() as connection:
            spent = self._spent(connection, day, currency)
            if spent + amount > self._daily:
                return None
            self._add(connection, day, currency, amount)
            connection.execute("DELETE FROM spending WHERE day < ?", (day - _DAYS_KEPT,))
        return Reservation(currency, amount, day)

    def settle(self, reservation: Reservation, amount: float) -> None:
        """Put right what was taken: the work did cost ``amount``. It counts for the day it was reserved on.

        Raises:
            AuditStoreError: it cannot be counted; the estimate stays spent.
        """
        with self._database.writing() as connection:
            self._add(connection, reservation.day, reservation.currency, amount - reservation.amount)

    def spent_today(self, currency: str) -> float:
        """Money spent or reserved today.

        Raises:
            AuditStoreError: the database cannot be read.
        """
        with self._database.reading() as connection:
            return self._spent(connection, self._today(), currency)

    def _today(self) -> int:
        return int(self._clock() // SECONDS_A_DAY)

    @staticmethod
    def _spent(connection: sqlite3.Connection, day: int, currency: str) -> float:
        row = connection.execute(
            "SELECT amount FROM spending WHERE day = ? AND currency = ?", (day, currency)
        ).fetchone()
        return float(row["amount"]) if row else 0.0

    @staticmethod
    def _add(connection: sqlite3.Connection, day: int, currency: str, amount: float) -> None:
        connection.execute(
            "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = max(0, amount + excluded.amount)",
            (day, currency, amount),
        )
