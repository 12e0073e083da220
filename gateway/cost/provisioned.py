"""A request's part of what the machine costs, idle time included: the *provisioned* cost.

What the machine did cost within the last hour is divided among the requests of that hour by their work: the emptier the
machine, the dearer each request. No second of the machine is charged twice, whatever process charges it: a request
bears at most the time of the last hour that no other has borne. So the sum over requests is never more than the
machine's price, and under a steady load it is the machine's price.
"""

from __future__ import annotations

import os
import struct
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.inference.cpus import available_cpus
from gateway.settings import Settings
from gateway.shared.slots import SlotFile

#: Seconds that the running utilisation looks back, and how often it is noted where that window may begin.
WINDOW, STEP = 3600.0, 30.0
_SLOT = struct.Struct("<qd")  # process id, CPU seconds of its requests
_SECONDS = struct.Struct("<d")
_CAPACITY = 512
_UNUSED = 0
#: Slots before those of processes: when the service started, and up to when the machine's time is charged.
_STARTED, _CHARGED, _FIRST = 0, 1, 2


class Usage:
    """CPU seconds of requests of all processes of a service, since it started: one slot a process.

    The first slots hold when the service started, and how far the machine's time has been charged. A slot whose process
    has ended is taken over with what stands in it: the sum never goes back.

    Args:
        path: the shared file.
        clock: a steady clock that all processes of the machine share.

    Raises:
        ConfigurationError: the file cannot be used, or too many processes use it.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = SlotFile(path, magic=b"cascadeV", size=_SLOT.size, count=_CAPACITY)
        self._memory = self._slots.memory
        with self._slots.locked():
            first = self._slots.offset(_STARTED)
            known, started = _SLOT.unpack_from(self._memory, first)
            if known == _UNUSED:
                started = clock()
                _SLOT.pack_into(self._memory, first, -1, started)
                _SLOT.pack_into(self._memory, self._slots.offset(_CHARGED), -1, started)
            self.started: float = started
            self._at, self._own = self._claim()

    def _claim(self) -> tuple[int, float]:
        for index in range(_FIRST, _CAPACITY):
            at = self._slots.offset(index)
            process, seconds = _SLOT.unpack_from(self._memory, at)
            if process <= _UNUSED or not _alive(process):
                _SLOT.pack_into(self._memory, at, os.getpid(), seconds)
                return at + 8, seconds
        raise ConfigurationError(f"more than {_CAPACITY} processes use one run directory")

    def add(self, seconds: float) -> None:
        """A request of this process was charged so many CPU seconds."""
        self._own += seconds
        _SECONDS.pack_into(self._memory, self._at, self._own)

    def take(self, wanted: float, now: float, window: float) -> float:
        """Charge ``wanted`` seconds of the machine, or as many of the last ``window`` seconds as nobody was charged for
        yet; how many."""
        at = self._slots.offset(_CHARGED) + 8
        with self._slots.locked():
            charged: float = max(_SECONDS.unpack_from(self._memory, at)[0], now - window)
            taken = max(0.0, min(wanted, now - charged))
            _SECONDS.pack_into(self._memory, at, charged + taken)
        return taken

    def total(self) -> float:
        """CPU seconds of the requests of all processes."""
        total = 0.0
        for index in range(_FIRST, _CAPACITY):
            process, seconds = _SLOT.unpack_from(self._memory, self._slots.offset(index))
            if process == _UNUSED:
                break
            total += seconds
        return total

    def __enter__(self) -> Usage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the place back; what was counted stays."""
        _SLOT.pack_into(self._memory, self._at - 8, -1, self._own)
        self._slots.close()


class Machine:
    """The machine's price and how busy requests keep it.

    Args:
        usage: CPU seconds of all processes' requests.
        price: of a second of the machine, as far as this service has it; ``None``: not known.
        currency: of the price.
        cpus: cores the service may use.
        clock: as that of ``usage``.
    """

    def __init__(
        self,
        usage: Usage,
        price: float | None,
        currency: str,
        cpus: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._usage = usage
        self._price = price
        self.currency = currency
        self._cpus = cpus
        self._clock = clock
        #: Moments and the total then, ``STEP`` apart; the first is where the window begins.
        now = clock()
        young = now - usage.started < STEP
        self._noted = deque([(usage.started, 0.0) if young else (now, usage.total())])

    @classmethod
    def of(cls, usage: Usage, settings: Settings) -> Machine:
        """The machine as the operator describes it."""
        hour = settings.instance_price_per_hour
        price = None if hour is None else hour * settings.instance_share / 3600
        return cls(usage, price, settings.instance_currency, available_cpus())

    def charge(self, seconds: float, currency: str) -> float | None:
        """Count a request of so many CPU seconds; its part of the machine's price, ``None`` where that is not known in
        ``currency``."""
        self._usage.add(seconds)
        if self._price is None or currency != self.currency:
            return None
        elapsed, spent = self._window()
        if spent <= 0:
            return 0.0
        return self._price * self._usage.take(elapsed * (seconds / spent), self._clock(), WINDOW)

    def _window(self) -> tuple[float, float]:
        """Seconds since the window began, and the CPU seconds of requests since."""
        now, total = self._clock(), self._usage.total()
        noted = self._noted
        if now - noted[-1][0] >= STEP:
            noted.append((now, total))
        while len(noted) > 1 and now - noted[1][0] >= WINDOW:
            noted.popleft()
        began, before = noted[0]
        return now - began, total - before

    @property
    def utilisation(self) -> float:
        """CPU seconds of requests over those there were, in the window; 0 to 1 as long as the clocks agree."""
        elapsed, spent = self._window()
        return spent / (elapsed * self._cpus) if elapsed > 0 else 0.0

    @property
    def uptime(self) -> float:
        """Seconds since the service started."""
        return self._clock() - self._usage.started

    @property
    def price_so_far(self) -> float | None:
        """What the machine did cost since the service started."""
        return None if self._price is None else self._price * self.uptime


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
