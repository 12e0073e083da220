"""Which part of the machine each model tier gets: how many lanes, and how many CPU threads a forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.document import TierName

#: Beyond these threads a forward pass of the large tier gains little, and another lane gains more.
_MOST_LARGE_THREADS = 4


@dataclass(frozen=True)
class Share:
    """``lanes`` forward passes at a time, each on ``threads`` CPU threads."""

    lanes: int = 1
    threads: int = 1


def shares(cpus: int, *, threads: int = 0, student: int = 0, large: int = 0) -> Mapping[TierName, Share]:
    """The share of each model tier.

    Args:
        cpus: CPUs this process may use.
        threads: CPU threads of one forward pass; 0: one for the student; for the large tier half of its share, but at
            most four, so that a long document never stands before all others.
        student, large: CPU threads of each tier together; 0: as many as there are CPUs. Both tiers may use all: an idle
            tier's CPUs are the other's.
    """
    student, large = student or cpus, large or cpus
    by_large = threads or max(1, min(_MOST_LARGE_THREADS, large // 2))
    return {"student": _share(student, threads or 1), "large": _share(large, by_large)}


def _share(total: int, threads: int) -> Share:
    threads = min(threads, total)
    return Share(max(1, total // threads), threads)
