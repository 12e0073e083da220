"""What stands behind the tasks in force, as metrics: their quality targets, and which tiers have lost their trust."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.document import TierName
from gateway.loaded import LoadedTask

_TARGET, _NOT_TRUSTED = "cascade_quality_target_ratio", "cascade_fields_not_trusted"
TARGET_METRICS: Mapping[str, tuple[str, ...]] = {_TARGET: ("field", "task"), _NOT_TRUSTED: ("task", "tier")}


class TargetCollector(Collector):
    """Each field's default target, and for how many fields each tier decides nothing.

    Args:
        tasks: the tasks in force now; asked at every scrape.
    """

    def __init__(self, tasks: Callable[[], Mapping[str, LoadedTask]]) -> None:
        self._tasks = tasks

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        tasks = self._tasks()
        family = GaugeMetricFamily(
            _TARGET, "Share of accepted values that must be right, by default.", labels=list(TARGET_METRICS[_TARGET])
        )
        for name, task in tasks.items():
            for field, target in task.spec.qualities().items():
                family.add_metric([field, name], target)
        yield family
        family = GaugeMetricFamily(
            _NOT_TRUSTED,
            "Fields for which a tier decides nothing, because it is not what policy.json was calibrated with.",
            labels=list(TARGET_METRICS[_NOT_TRUSTED]),
        )
        for name, task in tasks.items():
            for tier in task.spec.tiers:
                family.add_metric([name, tier], _not_trusted(task, tier))
        yield family


def _not_trusted(task: LoadedTask, tier: TierName) -> int:
    # A field without rules is none whose rules have lost their trust.
    fields = task.trust if tier == "rules" else task.spec.fields
    return sum(tier in task.not_trusted.get(field, ()) for field in fields)
