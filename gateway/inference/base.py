"""The interface between whoever drives a cascade and whoever runs its models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from gateway.document import Document, TierName, TierOutput
from gateway.task import CallPrice

#: ``detail`` of the error of a tier that will not answer others either for now: the process that runs it is not there,
#: or all the servers behind it are left alone. Its ``retry_after`` says for how long, where that is known.
OUT = {"reason": "out"}
#: ``detail`` of the error of a tier that broke on what it was asked. Once is no sign that it will on the next document.
FAILED = {"reason": "failed"}


@dataclass(frozen=True)
class TierStatus:
    """Whether a task's model tier can answer: ``version`` is the digest of its weights, ``problem`` why it cannot.

    ``price`` is what a remote tier is expected to bill. ``refused`` says why newer files are not in force; the tier
    goes on as it was before them.
    """

    version: str | None
    problem: str | None = None
    mode: str | None = None  # how the numbers are computed: fp32, bf16, int8, or remote
    price: CallPrice | None = None
    refused: str | None = None

    @property
    def available(self) -> bool:
        return self.problem is None


def epoch_of(statuses: Mapping[str, Mapping[TierName, TierStatus]]) -> str:
    """One word for the state of all tasks' model tiers; it differs whenever one of them does."""
    plain = {task: {tier: asdict(status) for tier, status in tiers.items()} for task, tiers in statuses.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


class Inference(Protocol):
    """Runs student and large tiers. Rules are not run here: they are cheaper than the way to another process.

    **Reloading.** Models are swapped while they serve. Whoever holds a policy remembers :attr:`epoch` beside it; when
    the epoch differs from the one remembered, it asks for :meth:`status` again, loads the policy that belongs to those
    versions, and from then on names them in :meth:`propose`. Until it does so it goes on naming the versions it knows,
    and those models go on answering for a while beside the current ones: no request meets a model that its policy was
    not measured with, and none is refused because of a swap.
    """

    @property
    def epoch(self) -> str | None:
        """A word for the state of all model tiers, as last heard; ``None`` before anything was. Costs nothing."""
        ...

    async def status(self, task: str) -> Mapping[TierName, TierStatus]:
        """The current state of a task's model tiers. Cheap: nothing is computed or read from disk for it.

        Raises:
            UnknownTask: there is no such task where the models run.
            TierUnavailable: the process that runs them does not answer.
        """
        ...

    async def propose(
        self,
        task: str,
        tier: TierName,
        documents: Sequence[Document],
        fields: Sequence[str],
        *,
        deadline: float | None = None,
        version: str | None = None,
        most_before: int | None = None,
    ) -> list[TierOutput]:
        """As :meth:`gateway.tiers.base.Tier.propose`, without blocking the event loop.

        Args:
            deadline: seconds from now after which nobody waits for the answer; work that cannot be done by then is
                refused at once.
            version: the model that must answer; ``None``: whichever is current.
            most_before: for work that gives way to requests: it is refused (with the detail
                :data:`gateway.inference.batching.BUSY`) while the tier has more than so many of them before it.

        Raises:
            TierUnavailable: the tier is not there, busy, of another version, or failed.
        """
        ...

    def full_for(self, tier: TierName) -> float:
        """Seconds for which a tier's queue is known to be full; 0 where it is not. Costs nothing: nobody is asked."""
        ...

    async def close(self) -> None:
        """Let go of threads and connections."""
        ...
