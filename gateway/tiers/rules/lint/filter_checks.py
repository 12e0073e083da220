"""Linting ``filters.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gateway.tiers.rules import filter_schema
from gateway.tiers.rules.filters import FilterSet, compile_filter
from gateway.tiers.rules.lint.clock import Clock
from gateway.tiers.rules.lint.findings import Place, Report
from gateway.tiers.rules.lint.library import PatternChecks
from gateway.tiers.rules.lint.reading import read_as, read_yaml
from gateway.tiers.rules.patterns import PatternProblem

_FILE: TypeAdapter[Any] = TypeAdapter(filter_schema.FiltersFile)
_FILTER: TypeAdapter[Any] = TypeAdapter(filter_schema.Filter)


def check_filters(path: Path, library: dict[str, str], patterns: PatternChecks, report: Report, clock: Clock) -> None:
    """Every filter of the file, and its examples."""
    file = read_yaml(path, report)
    if file is None:
        return
    raw = file.yaml.value
    if not isinstance(raw, dict) or not isinstance(raw.get("filters"), list):
        read_as(_FILE, raw, file, report)
        return
    read_as(_FILE, {**raw, "filters": []}, file, report)
    ids: set[str] = set()
    for number, item in enumerate(raw["filters"]):
        identifier = item.get("id") if isinstance(item, dict) else None
        name = identifier[:64] if isinstance(identifier, str) else f"number {number + 1}"
        place = Place(path, file.yaml, ("filters", number), f"filters/{name}")
        if why := clock.up:
            report.at("R017", place, f"the filters from here on were not checked: {why}")
            return
        spec = read_as(_FILTER, item, place, report)
        if isinstance(identifier, str) and identifier in ids:
            report.at("R020", place.at("id"), f"another filter has the id {identifier!r}")
            continue
        ids.add(name)
        if spec is not None:
            _check_filter(spec, library, patterns, place, report)


def _check_filter(
    spec: filter_schema.Filter, library: dict[str, str], patterns: PatternChecks, place: Place, report: Report
) -> None:
    usable = True
    if isinstance(spec, filter_schema.ScopeFilter):
        usable = patterns.check(spec.pattern, place.at("pattern")) is not None
    elif isinstance(spec, filter_schema.WordsFilter):
        checked = [patterns.check(source, place.at("any_of", number)) for number, source in enumerate(spec.any_of)]
        usable = None not in checked
    if not usable:
        return
    try:
        compiled, digest = compile_filter(spec, library)
    except PatternProblem as error:  # a script that Unicode does not have
        report.at("R030", place, str(error))
        return
    if not spec.examples:
        report.at("R040", place, f"filter {spec.id} has no example")
    alone = FilterSet((compiled,), digest)
    for number, example in enumerate(spec.examples):
        hit = alone.check(example.text, seconds=1.0)
        if (hit is not None) is not example.filtered:
            found = hit.message if hit else "it is let through"
            wanted = "must be filtered" if example.filtered else "must be let through"
            report.at("R041", place.at("examples", number), f"this text {wanted}, but {found}")
