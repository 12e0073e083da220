"""From a schedule to updates: how many micro-batches each one takes, also over several workers and after a resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.errors import ConfigurationError


def rounded_to_workers(size: int, workers: int) -> int:
    """The next size that can be shared equally by the workers."""
    if workers < 1:
        raise ConfigurationError(f"there must be at least 1 worker, found {workers}")
    return -(-size // workers) * workers


@dataclass
class BatchPlan:
    """Walks through the micro-batches of a training, update by update.

    ``size(share)`` gives the wanted micro-batches of an update by the share of data seen. With ``workers`` every worker
    computes ``size / workers`` of them, after rounding up, and gradients are averaged over all. No update reaches over
    the end of an epoch. ``seen`` and ``updates`` are the whole state: a plan that takes them up goes on exactly as the
    one that gave them.

    Args:
        epochs: micro-batches of every epoch, over all workers.
    """

    epochs: tuple[int, ...]
    size: Callable[[float], int]
    workers: int = 1
    seen: int = 0
    updates: int = 0

    @property
    def total(self) -> int:
        """Micro-batches of the training."""
        return sum(self.epochs)

    def next(self) -> int:
        """Micro-batches of the next update, over all workers; 0 at the end of the training."""
        end = 0
        for batches in self.epochs:
            end += batches
            if self.seen < end:
                wanted = rounded_to_workers(max(1, self.size(self.seen / self.total)), self.workers)
                return min(wanted, end - self.seen)
        return 0

    def advance(self) -> int:
        """Take the next update; returns its micro-batches."""
        taken = self.next()
        self.seen += taken
        self.updates += taken > 0
        return taken

    def __iter__(self) -> Iterator[int]:
        while taken := self.advance():
            yield taken
