"""What a scrape shows: the registry, and figures that are derived from others at that moment.

Energy and emissions are CPU and GPU seconds times constants: counting them with every request would be work for
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.cost.energy import Footprint
from gateway.cost.metering import process_seconds
from gateway.cost.provisioned import Machine
from gateway.telemetry.instruments import CPU_SECONDS, GPU_SECONDS, PROCESS_CPU_SECONDS

ENERGY, EMISSIONS = "cascade_energy_joules_total", "cascade_co2e_grams_total"
INSTANCE_COST, UTILISATION = "cascade_instance_cost_total", "cascade_utilisation_ratio"
STARTED = "cascade_start_time_seconds"
#: The metrics that are made here, and their labels.
DERIVED: dict[str, tuple[str, ...]] = {
    ENERGY: ("task", "tier"),
    EMISSIONS: ("task", "tier"),
    INSTANCE_COST: ("currency",),
    UTILISATION: (),
    STARTED: (),
}


class Derived(Collector):
    """Everything ``inner`` collects, and what follows from it.

    Args:
        inner: the process's registry, or the collector of all processes' files.
        footprint: what a CPU second takes.
        supervisor: the process id of the supervisor; 0 where there is none.
    """

    def __init__(self, inner: Collector, footprint: Footprint, supervisor: int = 0) -> None:
        self._inner = inner
        self._footprint = footprint
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        joules: dict[tuple[str, str], float] = {}
        for family in self._inner.collect():
            name = f"{family.name}_total"
            if name in (CPU_SECONDS, GPU_SECONDS):
                worth = self._footprint.joules(1.0) if name == CPU_SECONDS else self._footprint.joules(0.0, 1.0)
                for sample in family.samples:
                    key = sample.labels["task"], sample.labels["tier"]
                    joules[key] = joules.get(key, 0.0) + sample.value * worth
            elif name == PROCESS_CPU_SECONDS and self._supervisor:
                spent = process_seconds(self._supervisor)
                if spent is not None:
                    family.add_sample(PROCESS_CPU_SECONDS, {"process": "supervisor"}, spent)
            yield family
        energy = CounterMetricFamily(ENERGY, "Estimated energy of answered requests.", labels=DERIVED[ENERGY])
        emissions = CounterMetricFamily(EMISSIONS, "Estimated CO2e of answered requests.", labels=DERIVED[EMISSIONS])
        for labels, amount in joules.items():
            energy.add_metric(labels, amount)
            emissions.add_metric(labels, self._footprint.grams(amount))
        yield energy
        yield emissions


class MachineCollector(Collector):
    """What the machine did cost, how busy requests keep it and since when. Every worker gives the same answer."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def collect(self) -> Iterator[Metric]:
        """See :class:`prometheus_client.registry.Collector`."""
        spent = self._machine.price_so_far
        if spent is not None:
            cost = CounterMetricFamily(INSTANCE_COST, "What the machine did cost.", labels=DERIVED[INSTANCE_COST])
            cost.add_metric((self._machine.currency,), spent)
            yield cost
        yield GaugeMetricFamily(
            UTILISATION, "CPU seconds of requests over those there were.", value=self._machine.utilisation
        )
        yield GaugeMetricFamily(
            STARTED,
            "When the service started, in seconds since 1970.",
            value=round(time.time() - self._machine.uptime, 1),
        )
