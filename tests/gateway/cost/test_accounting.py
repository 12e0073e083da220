from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cost.accounting import Accounting
from gateway.cost.energy import Footprint
from gateway.cost.metering import LoopMeter
from gateway.cost.provisioned import Machine, Usage
from gateway.document import TierName, Work
from gateway.settings import Settings
from gateway.task import Prices


@pytest.fixture
def usage(tmp_path: Path) -> Iterator[Usage]:
    with Usage(tmp_path / "usage") as usage:
        yield usage


def accounting(usage: Usage, price: float | None) -> Accounting:
    """One whose event loop spends exactly 0.01 CPU seconds between any two looks at the clock."""
    moments = iter(range(1000))
    meter = LoopMeter(None, lambda: next(moments) * 0.01)
    footprint = Footprint.of(Settings.read(watts_per_cpu=10, watts_per_gpu=100, pue=1.5, grid_grams_per_kwh=360))
    return Accounting(Machine(usage, price, "USD", 2), footprint, meter)


def test_energy_and_emissions_come_from_all_cpu_and_gpu_seconds(usage: Usage) -> None:
    books = accounting(usage, None)
    books.meter.begin()
    work: dict[TierName, Work] = {"student": Work(0.1, gpu_seconds=0.2, overhead_seconds=0.04)}
    cost = books.cost(work, 100, Prices(cpu_second=1.0, gpu_second=10.0), {})
    assert cost.overhead_seconds == pytest.approx(0.05)
    assert cost.amount == pytest.approx(0.1 + 2.0 + 0.05)
    assert cost.energy_joules == pytest.approx((0.15 * 10 + 0.2 * 100) * 1.5)
    assert cost.energy_joules is not None
    assert cost.co2e_grams == pytest.approx(cost.energy_joules * 360 / 3.6e6)
    assert cost.provisioned is None
    # A second of the GPU weighs as much as ten of the CPU, which is what it costs.
    assert usage.total() == pytest.approx(0.15 + 2.0)


def test_what_others_bill_is_added_to_the_machine_s_price(usage: Usage) -> None:
    books = accounting(usage, 0.0)
    books.meter.begin()
    cost = books.cost({"large": Work(0.1, amount=3.0)}, 100, Prices(), {})
    assert cost.provisioned == 3.0


def test_with_several_workers_the_whole_process_is_metered(usage: Usage) -> None:
    assert not Accounting.of(usage, Settings.read(workers=1)).whole_process
    assert Accounting.of(usage, Settings.read(workers=2)).whole_process
