"""What each request of a process did cost, with everything around its tiers."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.cost.energy import Footprint
from gateway.cost.metering import LoopMeter, part_of
from gateway.cost.model import Cost, cost_of
from gateway.cost.provisioned import Machine, Usage
from gateway.document import TierName, Work
from gateway.policy import TierEstimate
from gateway.settings import Settings
from gateway.task import Prices


@dataclass(frozen=True)
class Accounting:
    """The meter of the process's event loop, the machine it is a part of, and what energy it takes. ``whole_process``:
    the meter sees the work of all threads, and not of the event loop's alone."""

    machine: Machine
    footprint: Footprint
    meter: LoopMeter = field(default_factory=LoopMeter)
    whole_process: bool = False

    @classmethod
    def of(cls, usage: Usage, settings: Settings) -> Accounting:
        """As the operator describes the machine."""
        machine, footprint = Machine.of(usage, settings), Footprint.of(settings)
        if settings.workers == 1:
            # Models run in this process too: what their threads spend is not overhead.
            return cls(machine, footprint, LoopMeter())
        # The process that started this one is the supervisor of all workers.
        others = part_of(os.getppid(), settings.workers)
        return cls(machine, footprint, LoopMeter(others, time.process_time), whole_process=True)

    def cost(
        self,
        work: Mapping[TierName, Work],
        characters: int,
        prices: Prices,
        estimates: Mapping[str, TierEstimate],
        *,
        filtered: bool = False,
    ) -> Cost:
        """As :func:`gateway.cost.cost_of`, of a request that is about to be answered, with its overhead, its part of
        the machine's price, its energy and its emissions."""
        overhead = self.meter.take()
        cpu = gpu = 0.0
        for spent in work.values():
            overhead += spent.overhead_seconds
            cpu += spent.cpu_seconds
            gpu += spent.gpu_seconds
        cost = cost_of(work, characters, prices, estimates, overhead_seconds=overhead, filtered=filtered)
        cpu += overhead
        joules = self.footprint.joules(cpu, gpu)
        # A second of a GPU weighs as many CPU seconds as it costs.
        weight = cpu + gpu * prices.gpu_second / prices.cpu_second
        provisioned = self.machine.charge(weight, prices.currency)
        if provisioned is not None:
            # What others bill comes on top of the machine, whatever its utilisation.
            provisioned += sum(spent.amount for spent in work.values())
        return replace(cost, provisioned=provisioned, energy_joules=joules, co2e_grams=self.footprint.grams(joules))
