"""How full the queues before the models are, where every worker can see it without asking: one slot a tier.

The process that runs the models writes, the workers read, and nobody waits for anybody: each number is one aligned
word. A worker may read a number that is a moment old; whoever runs the models has the last word on what it takes.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import get_args

from gateway.document import TierName
from gateway.shared.occupancy import alive
from gateway.shared.slots import SlotFile

_SLOT = struct.Struct("<qqq")  # process id of the writer, requests, the most it takes
_DEPTH = struct.Struct("<q")
_PROCESS_BYTES = 8
_TIERS: tuple[TierName, ...] = get_args(TierName)


class QueueBoard:
    """The shared file ``path``.

    Raises:
        ConfigurationError: the file cannot be made or used.
    """

    def __init__(self, path: Path) -> None:
        self._slots = SlotFile(path, magic=b"cascadeQ", size=_SLOT.size, count=len(_TIERS))

    def open_queue(self, tier: TierName, limit: int) -> None:
        """From now on this process writes the depth of a tier's queue, which takes ``limit`` requests."""
        _SLOT.pack_into(self._slots.memory, self._at(tier), os.getpid(), 0, limit)

    def post(self, tier: TierName, depth: int) -> None:
        """So many requests wait for a tier or are being answered by it."""
        _DEPTH.pack_into(self._slots.memory, self._at(tier) + _PROCESS_BYTES, depth)

    def is_full(self, tier: TierName) -> bool:
        """Whether a queue takes no more; not so where its process is gone, and nobody knows."""
        process, depth, limit = _SLOT.unpack_from(self._slots.memory, self._at(tier))
        return process != 0 and depth >= limit and alive(process)

    def close(self) -> None:
        """Let go of the file."""
        self._slots.close()

    def _at(self, tier: TierName) -> int:
        return self._slots.offset(_TIERS.index(tier))
