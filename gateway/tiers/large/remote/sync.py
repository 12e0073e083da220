"""An asynchronous tier for callers that have no event loop: calibration, scripts, a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from gateway.document import Document, TierName, TierOutput
from gateway.tiers.base import AsyncTier


class SyncTier:
    """Runs an :class:`gateway.tiers.base.AsyncTier` on an event loop in a thread of its own (see
    :class:`gateway.tiers.base.Tier`). Several threads may use it at once.

    The thread is a daemon: a process that ends without :meth:`close` is not kept.
    """

    def __init__(self, tier: AsyncTier) -> None:
        self._tier = tier
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"{tier.name}-remote", daemon=True)
        self._thread.start()

    @property
    def name(self) -> TierName:
        return self._tier.name

    @property
    def version(self) -> str:
        return self._tier.version

    @property
    def mode(self) -> str:
        return self._tier.mode

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        """See :meth:`gateway.tiers.base.Tier.propose`.

        Raises:
            TierUnavailable: no upstream answered in time.
        """
        future = asyncio.run_coroutine_threadsafe(self._tier.propose(documents, fields), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupted caller leaves no call behind
            raise

    def close(self) -> None:
        """Let go of connections and thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._tier.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
