"""Counts that gather in memory and reach the metrics together.

With several processes every step of a counter is a write into a shared file under a lock. A request takes about thirty
of them, which would be a tenth of the time of one that rules answer. Here a step is an addition; many requests' steps
are then written as one.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from prometheus_client import Counter, Histogram

Labels = tuple[str, ...]


class CounterCell:
    """What a counter has not been told yet."""

    __slots__ = ("_child", "_pending", "_value")

    def __init__(self, child: Counter, pending: list[Cell]) -> None:
        self._child, self._pending = child, pending
        self._value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Count."""
        if not self._value:
            self._pending.append(self)
        self._value += amount

    def write(self) -> None:
        """Tell the counter."""
        value, self._value = self._value, 0.0
        self._child.inc(value)


class HistogramCell:
    """What a histogram has not been told yet."""

    __slots__ = ("_bounds", "_child", "_counts", "_pending", "_sum")

    def __init__(self, child: Histogram, pending: list[Cell]) -> None:
        self._child, self._pending = child, pending
        # The library has no way to tell a histogram of several observations at once; these are its own parts.
        self._bounds: list[float] = child._upper_bounds
        self._counts: dict[int, int] = {}
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count an observation."""
        if not self._counts:
            self._pending.append(self)
        index = bisect_left(self._bounds, value)
        self._counts[index] = self._counts.get(index, 0) + 1
        self._sum += value

    def write(self) -> None:
        """Tell the histogram."""
        counts, self._counts = self._counts, {}
        total, self._sum = self._sum, 0.0
        self._child._sum.inc(total)
        for index, count in counts.items():
            self._child._buckets[index].inc(count)


Cell = CounterCell | HistogramCell


class Cells(dict[Any, Any]):
    """The cells of one metric and task, by the labels behind the task's (one alone as it is): ``metric.labels(...)`` is
    too slow for two dozen of them a request."""

    def __init__(self, metric: Counter | Histogram, task: str, pending: list[Cell]) -> None:
        super().__init__()
        self._metric, self._task, self._list = metric, task, pending

    def __missing__(self, labels: str | Labels) -> Cell:
        rest = (labels,) if isinstance(labels, str) else labels
        child = self._metric.labels(self._task, *rest)
        cell: Cell = CounterCell(child, self._list) if isinstance(child, Counter) else HistogramCell(child, self._list)
        self[labels] = cell
        return cell
