"""What is said of reloading: in ``/readyz``, and as metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.reload.generations import Published
from gateway.reload.store import InForce, Store

#: The metrics of reloading with their labels.
RELOAD_METRICS: Mapping[str, tuple[str, ...]] = {
    "cascade_config_reloads_total": ("result",),
    "cascade_config_problems": ("task",),
    "cascade_rules_generation": ("task",),
    "cascade_rules_generation_published": ("task",),
    "cascade_rules_convergence_seconds": ("task",),
}

Workers = Mapping[int, Mapping[str, InForce]]


def converged_seconds(published: Published, workers: Workers, task: str) -> float | None:
    """Seconds from the publication of a task's generation until the last worker had it; ``None`` while one has not."""
    generation = published.tasks[task]
    states = [states[task] for states in workers.values() if task in states]
    if len(states) < len(workers) or any(state.generation != generation.number for state in states) or not states:
        return None
    return max(0.0, max(state.since for state in states) - generation.published)


def describe_reloads(published: Published, workers: Workers) -> dict[str, Any]:
    """The part ``reload`` of ``/readyz``."""
    generations: dict[str, Any] = {}
    for name, generation in published.tasks.items():
        seconds = converged_seconds(published, workers, name)
        generations[name] = {
            "published": generation.number,
            "in_force": sorted(states[name].generation for states in workers.values() if name in states),
            "checked_seconds": round(generation.published - generation.seen, 3),
            "converged_seconds": None if seconds is None else round(seconds, 3),
        }
    return {
        "watching": published.watching,
        "generations": generations,
        "results": dict(published.results),
        "problems": [
            {"task": name or None, **problem.as_json()}
            for name, problems in published.problems.items()
            for problem in problems
        ],
    }


class ReloadCollector(Collector):
    """The metrics of reloading, the same from every worker: they are read from the run directory.

    Args:
        initial: what to say before anything was published.
        store: the run directory.
    """

    def __init__(self, initial: Published, store: Store) -> None:
        self._published = initial
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        with contextlib.suppress(FileNotFoundError):
            self._published = self._store.current()
        published, workers = self._published, self._store.workers()
        reloads = CounterMetricFamily(
            "cascade_config_reloads", "Changes of rules, task or policy, by what came of them.", labels=["result"]
        )
        for result, count in published.results.items():
            reloads.add_metric([result], count)
        yield reloads
        newest = GaugeMetricFamily(
            "cascade_rules_generation_published", "The number of a task's newest generation.", labels=["task"]
        )
        least = GaugeMetricFamily(
            "cascade_rules_generation", "The least generation that any worker has in force.", labels=["task"]
        )
        seconds = GaugeMetricFamily(
            "cascade_rules_convergence_seconds",
            "Time from the newest generation's publication until the last worker had it.",
            labels=["task"],
        )
        problems = GaugeMetricFamily(
            "cascade_config_problems", "What is wrong with files that are therefore not in force.", labels=["task"]
        )
        for name, generation in published.tasks.items():
            newest.add_metric([name], generation.number)
            in_force = [states[name].generation for states in workers.values() if name in states]
            if in_force:
                least.add_metric([name], min(in_force))
            if (spent := converged_seconds(published, workers, name)) is not None:
                seconds.add_metric([name], spent)
            problems.add_metric([name], len(published.problems.get(name, ())))
        others = sum(len(found) for name, found in published.problems.items() if name not in published.tasks)
        problems.add_metric(["other"], others)
        yield from (newest, least, seconds, problems)
