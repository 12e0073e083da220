"""Everything that card and page are made from, read from the directory that holds the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigurationError
from gateway.evaluation.dataset import file_digest
from gateway.policy import Policy
from gateway.tiers.student import CONFIG, TaggerConfig
from gateway.versions.files import managed_files
from training.report.run_report import RunReport

#: What is made from the others.
_MADE = ("CARD.md", "report.html", "training.json")


@dataclass(frozen=True)
class Material:
    """A run's report, its policy, its recipe (as text and as values), the sizes and digests of its files, and what the
    ``config.json`` of each trained tier says."""

    report: RunReport
    policy: Policy
    recipe_text: str
    recipe: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]]
    configs: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, directory: Path) -> Material:
        """Read it.

        Raises:
            PolicyError, ConfigurationError, ModelCorrupt: a file is missing or malformed.
        """
        report = RunReport.load(directory)
        policy = Policy.load(directory / "policy.json")
        text, recipe = _recipe(directory / "recipe.yaml")
        files = {
            name: ((directory / name).stat().st_size, file_digest(directory / name))
            for name in managed_files(directory)
            if name not in _MADE
        }
        configs = {
            tier: TaggerConfig.load(directory / tier).raw
            for tier in ("student", "large")
            if (directory / tier / CONFIG).is_file()
        }
        return cls(_completed(report, policy, recipe, directory), policy, text, recipe, files, configs)

    def note(self, measured: Mapping[str, Any]) -> str:
        """What is to be said of figures that were measured with another policy than lies beside them."""
        known = (measured.get("digests") or {}).get("policy")
        now = self.files.get("policy.json", (0, None))[1]
        return "" if known in (None, now) else " (measured before the policy was calibrated again)"

    @property
    def sources(self) -> list[str]:
        """What the data is and its licence, from the recipe."""
        return [str(source) for source in self.recipe.get("sources") or ()]


def _recipe(path: Path) -> tuple[str, Mapping[str, Any]]:
    if not path.is_file():
        return "", {}
    try:
        text = path.read_text("utf-8")
        raw = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"recipe {path}: {error}") from error
    if not isinstance(raw, Mapping):
        raise ConfigurationError(f"recipe {path}: not a mapping")
    return text, raw


def _completed(report: RunReport, policy: Policy, recipe: Mapping[str, Any], directory: Path) -> RunReport:
    """A report of a version that said less, with what other files say of the same."""
    fields: Mapping[str, Mapping[str, Any]] = report.fields or {
        name: {"type": found.get("type"), "many": found.get("many") == "true"}
        for name, found in (policy.versions.get("fields") or {}).items()
    }
    bases = report.bases
    catalogue = directory.parent / "bases.yaml"
    if not bases and catalogue.is_file():
        known = (yaml.safe_load(catalogue.read_text("utf-8")) or {}).get("bases", {})
        used = {str((recipe.get(tier) or {}).get("base")) for tier in ("large", "student")}
        bases = {name: {"licence": known[name].get("licence")} for name in sorted(used & set(known))}
    return replace(report, fields=fields, bases=bases)
