"""Samples of a scrape: read from the Prometheus text format, and summed by labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import MetricsUnavailable

Labels = tuple[tuple[str, str], ...]
#: How the names of samples end that count something, as those of histograms do.
_COUNTED = ("_total", "_count", "_sum", "_bucket")


@dataclass(frozen=True)
class Samples:
    """Metric name → sorted labels → value. Only metrics whose name begins with ``cascade_`` are kept."""

    values: Mapping[str, Mapping[Labels, float]]

    @classmethod
    def parse(cls, text: str) -> Samples:
        """Read the answer of ``GET /metrics``.

        Raises:
            MetricsUnavailable: the text is not in the Prometheus text format.
        """
        found: dict[str, dict[Labels, float]] = defaultdict(dict)
        try:
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name.startswith("cascade_"):
                        found[sample.name][tuple(sorted(sample.labels.items()))] = float(sample.value)
        except (ValueError, KeyError, IndexError) as error:
            raise MetricsUnavailable(f"this is not the Prometheus text format: {error}") from error
        return cls(found)

    def since(self, before: Samples) -> Samples:
        """By how much every counter grew; one that became smaller began anew, as Prometheus' ``increase()`` counts.
        Gauges stay as they are."""

        def growth(name: str, labels: Labels, value: float) -> float:
            if not name.endswith(_COUNTED):
                return value
            earlier = before.values.get(name, {}).get(labels, 0.0)
            return value - earlier if value >= earlier else value

        return Samples(
            {
                name: {labels: growth(name, labels, value) for labels, value in series.items()}
                for name, series in self.values.items()
            }
        )

    def total(self, name: str, **wanted: str | Iterable[str]) -> float:
        """The sum over the series whose labels have one of the wanted values."""
        return sum(value for labels, value in self.values.get(name, {}).items() if _matches(labels, wanted))

    def by(self, name: str, *labels: str, **wanted: str | Iterable[str]) -> dict[tuple[str, ...], float]:
        """Sums by the values of ``labels``, which are missing where there is no series."""
        sums: dict[tuple[str, ...], float] = defaultdict(float)
        for pairs, value in self.values.get(name, {}).items():
            if _matches(pairs, wanted):
                known = dict(pairs)
                sums[tuple(known.get(label, "") for label in labels)] += value
        return dict(sums)


def _matches(labels: Labels, wanted: Mapping[str, str | Iterable[str]]) -> bool:
    known = dict(labels)
    return all(
        known.get(name, "") == some if isinstance(some, str) else known.get(name, "") in some
        for name, some in wanted.items()
    )
