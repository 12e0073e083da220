"""How many requests each worker of the machine is answering: one slot a process, written by that process alone.

There is no lock on the way of a request: every process writes its own number and reads the others'. Two that look at
the same moment may both admit one more than the limit; the number of workers bounds that.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.shared.slots import SlotFile

_SLOT = struct.Struct("<qq")  # process id, requests
_COUNT = struct.Struct("<q")
#: More than the 256 workers there may be, for those that end while their successors start.
_CAPACITY = 512
_SWEEP_SECONDS = 0.1
#: In a place that was never taken, and in one that was given back; places are taken from the front.
_UNUSED, _LEFT = 0, -1


class Occupancy:
    """This process's place in the shared file ``path``.

    Raises:
        ConfigurationError: more processes than there are places use the file.
    """

    def __init__(self, path: Path) -> None:
        self._slots = SlotFile(path, magic=b"cascadeO", size=_SLOT.size, count=_CAPACITY)
        self._swept = 0.0
        with self._slots.locked():
            self._at = self._claim()
        self._own = 0

    def _claim(self) -> int:
        for index in range(_CAPACITY):
            at = self._slots.offset(index)
            process, _ = _SLOT.unpack_from(self._slots.memory, at)
            if process in (_UNUSED, _LEFT) or not alive(process):
                _SLOT.pack_into(self._slots.memory, at, os.getpid(), 0)
                return at
        raise ConfigurationError(f"more than {_CAPACITY} processes use one run directory")

    @property
    def own(self) -> int:
        """Requests this process is answering."""
        return self._own

    def total(self) -> int:
        """Requests all processes are answering."""
        memory, total = self._slots.memory, 0
        for index in range(_CAPACITY):
            process, count = _SLOT.unpack_from(memory, self._slots.offset(index))
            if process == _UNUSED:
                break
            total += count
        return total

    def change(self, step: int) -> None:
        """One request more (1) or less (-1)."""
        self._own += step
        _COUNT.pack_into(self._slots.memory, self._at + 8, self._own)

    def sweep(self) -> None:
        """Forget what processes counted that are no more; at most ten times a second."""
        now = time.monotonic()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            with self._slots.locked():
                self._sweep()

    def _sweep(self) -> None:
        memory = self._slots.memory
        for index in range(_CAPACITY):
            at = self._slots.offset(index)
            process, count = _SLOT.unpack_from(memory, at)
            if process == _UNUSED:
                return
            if count and process != _LEFT and not alive(process):
                _COUNT.pack_into(memory, at + 8, 0)

    def close(self) -> None:
        """Give the place back."""
        _SLOT.pack_into(self._slots.memory, self._at, _LEFT, 0)
        self._slots.close()


def alive(process: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
