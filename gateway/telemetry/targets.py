"""The quality targets in force, as a metric: what audits are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.task import TaskSpec

TARGET_METRICS: Mapping[str, tuple[str, ...]] = {"cascade_quality_target_ratio": ("field", "task")}


class TargetCollector(Collector):
    """Each field's default target.

    Args:
        tasks: the tasks in force now; asked at every scrape.
    """

    def __init__(self, tasks: Callable[[], Mapping[str, TaskSpec]]) -> None:
        self._tasks = tasks

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        [(name, labels)] = TARGET_METRICS.items()
        family = GaugeMetricFamily(
            name, "Share of accepted values that must be right, by default.", labels=list(labels)
        )
        for task, spec in self._tasks().items():
            for field, target in spec.qualities().items():
                family.add_metric([field, task], target)
        yield family
