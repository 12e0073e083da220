"""What ``cascade calibrate`` and ``cascade eval`` show beside their figures: tables as CSV, and drawings of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.document import Proposal, TierName, TierOutput
from gateway.evaluation import curve, reliability
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.figures import NO_FIGURES, can_draw, draw_curve, draw_reliability
from gateway.evaluation.replay import Recorded
from gateway.evaluation.systems import SystemName, SystemRun
from gateway.files import write_text
from gateway.home import Home
from gateway.policy import Policy
from gateway.task import TaskSpec


@dataclass(frozen=True)
class Charts:
    """The files written, and what to say about those that were not."""

    paths: tuple[Path, ...]
    note: str | None = None


def default_directory(home: Home, task: str, part: str | None) -> Path:
    """Where a command writes its charts unless it is told: ``.cascade/figures/<task>/<part, or all>``."""
    return home.path / ".cascade" / "figures" / task / (part or "all")


def write_charts(
    directory: Path,
    task: TaskSpec,
    policy: Policy,
    items: Sequence[Recorded],
    title: str,
    not_trusted: Mapping[str, Collection[TierName]] | None = None,
) -> Charts:
    """Write ``curve.csv`` and ``reliability.csv`` and, where matplotlib is installed, an SVG of each, atomically.

    Args:
        not_trusted: as in :class:`gateway.cascade.Run`.

    Raises:
        OSError: the directory cannot be written.
    """
    points = curve.curve(task, policy, items, not_trusted)
    stated = reliability.before_and_after(task, policy, items)
    tables = {directory / "curve.csv": curve.as_csv(points), directory / "reliability.csv": reliability.as_csv(stated)}
    for path, table in tables.items():
        write_text(path, table)
    if not can_draw():
        return Charts(tuple(tables), NO_FIGURES)
    drawn = (
        draw_curve(directory / "curve.svg", points, title),
        draw_reliability(directory / "reliability.svg", stated, title),
    )
    return Charts((*tables, *(path for path in drawn if path is not None)))


def recorded(documents: Sequence[LabelledDocument], runs: Mapping[SystemName, SystemRun]) -> list[Recorded]:
    """What single tiers that were run said of each document that all of them answered; nothing where none was run."""
    singles: dict[TierName, SystemRun] = {
        name: run for name, run in runs.items() if name != "cascade" and run.problem is None
    }
    items: list[Recorded] = []
    for number, document in enumerate(documents):
        outputs = {tier: _output(tier, run, number) for tier, run in singles.items()}
        known = {tier: output for tier, output in outputs.items() if output is not None}
        if singles and len(known) == len(singles):
            items.append(Recorded(document, known))
    return items


def _output(tier: TierName, run: SystemRun, number: int) -> TierOutput | None:
    outcome = run.records[number].outcome
    if outcome is None or tier not in outcome.extraction.work:
        return None
    proposals = {
        name: Proposal(tuple(candidate for answer in evidence.answers.get(tier, ()) for candidate in answer.candidates))
        for name, evidence in outcome.extraction.evidence.items()
    }
    return TierOutput(proposals, outcome.extraction.work[tier])
