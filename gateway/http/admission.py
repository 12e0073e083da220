"""Whether a request may be worked on at all: places for a bounded number at a time, and the rate of its key."""

from __future__ import annotations

from gateway.errors import Overloaded, RateLimited
from gateway.http.keys import Key
from gateway.shared.accounts import Accounts
from gateway.shared.occupancy import Occupancy


def overloaded() -> Overloaded:
    """The error for a request that there is no place for."""
    return Overloaded("as many requests as may be are being answered; ask again shortly")


class Admission:
    """The places of this process and of the machine, and the rates of keys.

    Args:
        accounts: where rates are counted, for all processes.
        occupancy: where places are counted, for all processes.
        limit: places in this process.
        machine_limit: places in all processes together.
    """

    def __init__(self, accounts: Accounts, occupancy: Occupancy, *, limit: int, machine_limit: int) -> None:
        self._accounts = accounts
        self._occupancy = occupancy
        self._limit = limit
        self._machine_limit = machine_limit

    def enter(self) -> None:
        """Take a place; :meth:`leave` gives it back.

        Raises:
            Overloaded: all places are taken.
        """
        if self._occupancy.own >= self._limit or self._machine_full():
            raise overloaded()
        self._occupancy.change(+1)

    def leave(self) -> None:
        """Give a place back."""
        self._occupancy.change(-1)

    def _machine_full(self) -> bool:
        occupancy = self._occupancy
        if occupancy.total() < self._machine_limit:
            return False
        occupancy.sweep()  # perhaps a worker died with requests in its hands
        return occupancy.total() >= self._machine_limit

    def wait_for(self, key: Key | None) -> float:
        """Count one request against the key's rate: 0 when it may pass, else the seconds after which one may."""
        if key is None or key.rate is None:
            return 0.0
        return self._accounts.take_token(key.id, key.rate, key.bucket)

    def check_rate(self, key: Key | None) -> None:
        """As :meth:`wait_for`.

        Raises:
            RateLimited: with the seconds to wait.
        """
        wait = self.wait_for(key)
        if key is not None and wait > 0:
            raise RateLimited(
                f"the key's rate is {key.rate:g} requests a second", detail={"rate": key.rate}, retry_after=wait
            )
