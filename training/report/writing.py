"""The three files of a run: ``training.json``, ``CARD.md`` and ``report.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.evaluation.replay import Recorded
from gateway.files import write_text
from gateway.policy import Policy
from gateway.task import TaskSpec
from training.card import CARD, render_card, update_certified
from training.report.facts import calibration_facts, field_descriptions
from training.report.material import Material
from training.report.page import PAGE, render_page
from training.report.run_report import TRAINING, RunReport


def write_report(directory: Path, report: RunReport) -> Path:
    """Write what was measured, the card and the report page beside the models; the page's path.

    Args:
        directory: holds ``policy.json``, and ``recipe.yaml`` where there is one.
        report: what was measured.

    Raises:
        PolicyError: there is no policy.
    """
    report.save(directory)
    return write_again(directory)


def write_again(directory: Path) -> Path:
    """Make card and page anew from ``training.json`` and the files beside it; the page's path.

    Raises:
        PolicyError, ConfigurationError, ModelCorrupt: a file it is made from is missing or malformed.
    """
    material = Material.read(directory)
    write_text(directory / CARD, render_card(material))
    write_text(directory / PAGE, render_page(material))
    return directory / PAGE


def write_calibrated(directory: Path, task: TaskSpec, policy: Policy, items: Sequence[Recorded]) -> bool:
    """Bring card and page up to a new policy, which lies in ``directory`` already; whether there was a card.

    Args:
        items: the calibration documents with every tier's output.

    Raises:
        ConfigurationError: ``training.json`` is malformed.
    """
    if not (directory / TRAINING).is_file():
        return update_certified(directory / CARD, task, policy)
    report = replace(
        RunReport.load(directory), fields=field_descriptions(task), calibration=calibration_facts(task, policy, items)
    )
    report.save(directory)
    material = Material.read(directory)
    write_text(directory / CARD, render_card(material))
    if (directory / PAGE).is_file():
        write_text(directory / PAGE, render_page(material))
    return True
