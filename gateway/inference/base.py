"""The interface between whoever drives a cascade and whoever runs its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.document import Document, TierName, TierOutput


@dataclass(frozen=True)
class TierStatus:
    """Whether a task's model tier can answer: ``version`` is the digest of its weights, ``problem`` why it cannot."""

    version: str | None
    problem: str | None = None
    mode: str | None = None  # how the numbers are computed: fp32, bf16 or int8

    @property
    def available(self) -> bool:
        return self.problem is None


class Inference(Protocol):
    """Runs student and large tiers. Rules are not run here: they are cheaper than the way to another process."""

    async def status(self, task: str) -> Mapping[TierName, TierStatus]:
        """The state of a task's model tiers, as loaded when the process that runs them started.

        Raises:
            UnknownTask: that process has no such task.
            TierUnavailable: that process does not answer.
        """
        ...

    async def propose(
        self, task: str, tier: TierName, documents: Sequence[Document], fields: Sequence[str]
    ) -> list[TierOutput]:
        """As :meth:`gateway.tiers.base.Tier.propose`, without blocking the event loop.

        Raises:
            TierUnavailable: the tier is not there or failed.
        """
        ...

    async def close(self) -> None:
        """Let go of threads and connections."""
        ...
