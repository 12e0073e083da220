"""What the cascade asks of a tier."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Protocol, TypeGuard

from gateway.document import Document, TierName, TierOutput


class Tier(Protocol):
    """A tier reads documents and proposes candidates; whether one is accepted is not its business."""

    @property
    def name(self) -> TierName: ...

    @property
    def version(self) -> str:
        """What identifies its behaviour: a digest of rules or weights."""
        ...

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        """One output a document, in order; only ``fields`` need be read.

        Raises:
            CascadeError: when the tier cannot answer at all.
        """
        ...


class AsyncTier(Protocol):
    """A tier that waits for somebody else's machine instead of computing: it runs on an event loop, without a thread
    or a queue of its own, and answers many calls at a time."""

    @property
    def name(self) -> TierName: ...

    @property
    def version(self) -> str:
        """As :attr:`Tier.version`: a digest of everything that shapes its answers."""
        ...

    @property
    def mode(self) -> str: ...

    async def propose(
        self, documents: Sequence[Document], fields: Sequence[str], *, deadline: float | None = None
    ) -> list[TierOutput]:
        """As :meth:`Tier.propose`. Cancelling it lets go of what it has under way elsewhere.

        Args:
            deadline: seconds from now after which nobody waits for the answer any more; ``None``: the tier's own limit.

        Raises:
            TierUnavailable: nobody could answer in time; ``retry_after`` says when to ask again, where that is known.
        """
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


def is_async(tier: Tier | AsyncTier) -> TypeGuard[AsyncTier]:
    """Whether ``tier`` is an :class:`AsyncTier`."""
    return inspect.iscoroutinefunction(tier.propose)
