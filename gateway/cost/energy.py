"""Energy and greenhouse gas emissions of work, estimated from its CPU and GPU seconds.

Nothing is measured here but time: watts, the data centre's overhead and the grid's intensity are configuration. How the
defaults were chosen, and how far off the result may be, stands in ``docs/cost.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.settings import Settings

_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Footprint:
    """``joules_per_cpu_second`` and ``joules_per_gpu_second`` at the wall of the data centre; grams of CO2e a joule."""

    joules_per_cpu_second: float
    joules_per_gpu_second: float
    grams_per_joule: float

    @classmethod
    def of(cls, settings: Settings) -> Footprint:
        """From what the operator says of the machine and its grid."""
        return cls(
            settings.watts_per_cpu * settings.pue,
            settings.watts_per_gpu * settings.pue,
            settings.grid_grams_per_kwh / _JOULES_PER_KWH,
        )

    def joules(self, cpu_seconds: float, gpu_seconds: float = 0.0) -> float:
        """Energy of so much work."""
        return cpu_seconds * self.joules_per_cpu_second + gpu_seconds * self.joules_per_gpu_second

    def grams(self, joules: float) -> float:
        """Greenhouse gases of so much energy, as grams of CO2."""
        return joules * self.grams_per_joule
