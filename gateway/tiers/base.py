"""What the cascade asks of a tier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

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
