"""What each API key has used: a token bucket for its rate, and the money it has spent today (UTC).

All workers of a machine count in one file. Money is taken *before* the work is done, as an upper estimate, and put
right afterwards; so requests that run at the same time cannot together spend what none of them could alone. Should a
worker die in between, its estimates stay spent: the error is on the side of the budget, and gone at midnight.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.shared.slots import SlotFile

#: Longest id of an account in bytes.
ID_BYTES = 16
SECONDS_A_DAY = 86_400
_SLOT = struct.Struct("<16sdddq")  # id, tokens, when they were counted, spent, on which day
_SLOT_BYTES = 64
_TOKENS = struct.Struct("<dd")
_TOKENS_AT = 16
_SPENT = struct.Struct("<dq")
_SPENT_AT = 32


@dataclass(frozen=True)
class Reservation:
    """Money taken from an account before the work; ``day`` is the day (since 1970, UTC) it was taken on."""

    account: str
    amount: float
    day: int


class Accounts:
    """The accounts of a machine's keys.

    Args:
        path: the shared file.
        capacity: accounts it has room for. A new one takes the place of the one that was not used for longest.
        monotonic, clock: the machine's steady clock and the time of day, in seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        capacity: int = 4096,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._slots = SlotFile(path, magic=b"cascadeA", size=_SLOT_BYTES, count=capacity)
        self._monotonic = monotonic
        self._clock = clock
        self._known: dict[str, int] = {}

    def take_token(self, account: str, rate: float, burst: float) -> float:
        """Take one token from a bucket that holds ``burst`` and gains ``rate`` a second: 0, or the seconds to wait."""
        memory = self._slots.memory
        with self._slots.locked():
            at = self._find(account) + _TOKENS_AT
            tokens, counted = _TOKENS.unpack_from(memory, at)
            now = self._monotonic()
            # The steady clock starts again with the machine; then no time has passed that could be known.
            gained = max(0.0, now - counted) * rate if counted else burst
            tokens = min(burst, tokens + gained)
            if tokens >= 1:
                _TOKENS.pack_into(memory, at, tokens - 1, now)
                return 0.0
            _TOKENS.pack_into(memory, at, tokens, now)
            return float((1 - tokens) / rate)

    def reserve(self, account: str, amount: float, budget: float) -> Reservation | None:
        """Take ``amount`` from today's ``budget``; ``None`` when less than that is left."""
        memory = self._slots.memory
        with self._slots.locked():
            at = self._find(account) + _SPENT_AT
            day = self._today()
            spent = self._spent(at, day)
            if spent + amount > budget or spent >= budget:
                return None
            _SPENT.pack_into(memory, at, spent + amount, day)
        return Reservation(account, amount, day)

    def settle(self, reservation: Reservation, amount: float) -> None:
        """Put right what was taken: the work did cost ``amount``. What a past day reserved is left to that day."""
        with self._slots.locked():
            at = self._find(reservation.account) + _SPENT_AT
            day = self._today()
            if day == reservation.day:
                spent = self._spent(at, day) + amount - reservation.amount
                _SPENT.pack_into(self._slots.memory, at, max(0.0, spent), day)

    def spent_today(self, account: str) -> float:
        """Money spent or reserved today."""
        with self._slots.locked():
            return self._spent(self._find(account) + _SPENT_AT, self._today())

    def seconds_to_midnight(self) -> float:
        """Until budgets begin anew."""
        return SECONDS_A_DAY - self._clock() % SECONDS_A_DAY

    def close(self) -> None:
        """Let go of the file."""
        self._slots.close()

    def _today(self) -> int:
        return int(self._clock() // SECONDS_A_DAY)

    def _spent(self, at: int, day: int) -> float:
        spent, on = _SPENT.unpack_from(self._slots.memory, at)
        return float(spent) if on == day else 0.0

    def _find(self, account: str) -> int:
        """Where the account's slot begins; it is made when there is none. To be called under the lock."""
        name = account.encode().ljust(ID_BYTES, b"\0")
        if len(name) > ID_BYTES or not account:
            raise ConfigurationError(f"an account's id has 1 to {ID_BYTES} bytes, not {account[:40]!r}")
        memory = self._slots.memory
        index = self._known.get(account)
        if index is not None:
            at = self._slots.offset(index)
            if memory[at : at + ID_BYTES] == name:
                return at
        index = self._search(name)
        self._known[account] = index
        return self._slots.offset(index)

    def _search(self, name: bytes) -> int:
        memory = self._slots.memory
        oldest, oldest_use = 0, (float("inf"), float("inf"))
        for index in range(self._slots.count):
            found, _, counted, _, day = _SLOT.unpack_from(memory, self._slots.offset(index))
            if found == name:
                return index
            if not found.rstrip(b"\0"):
                oldest = index
                break
            if (day, counted) < oldest_use:
                oldest, oldest_use = index, (day, counted)
        _SLOT.pack_into(memory, self._slots.offset(oldest), name, 0.0, 0.0, 0.0, 0)
        return oldest
