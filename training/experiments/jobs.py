"""What an experiment is made of: runs with names and seeds, and what is shown of their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from gateway.errors import ConfigurationError
from training.experiments.digests import short
from training.experiments.ledger import Row
from training.experiments.material import Material
from training.experiments.plateau import SEEN
from training.experiments.running import Bench, Figures, Setting
from training.families import Family, find_family

#: Padded tokens of a batch where an experiment does not say otherwise.
TOKEN_BUDGET = 800
#: What an experiment found, as its JSON file holds it.
Summary = dict[str, Any]


#: Short trainings of narrow students learn more at twice the family's rate: after 4 epochs of `commands` one of 2×96
#: had an F1 of 66.3 instead of 57.9 on the development part.
NARROW_RATE = 2.0


def rate_of(family: Family) -> float:
    """What a family's own learning rates are multiplied by in experiments, whose trainings are short."""
    return NARROW_RATE if family.kind == "transformer" and family.width is not None else 1.0


class Skipped(Exception):
    """A run that cannot be made on this material; its text says why."""


class Pace(Protocol):
    """CPU seconds that a student of a family takes here for a token."""

    def training(self, family: Family, token_budget: int = TOKEN_BUDGET) -> float:
        """In training with batches of this size, padding left out."""

    def forward(self, family: Family) -> float:
        """In asking about documents."""

    def judging(self, family: Family) -> float:
        """Not for a token, but for one judgement on the development part."""


@dataclass(frozen=True)
class Job:
    """One run.

    Args:
        settings: everything that shapes its result besides experiment, task, variant and seed.
        seconds: how long it is likely to take.
        work: does it; the figures go into a row.
        ready: whether its settings are settled; those of one that is not follow from other runs' results.
    """

    variant: str
    seed: int
    settings: Mapping[str, Any]
    seconds: Callable[[Pace], float]
    work: Callable[[Bench], Figures]
    ready: bool = True


@dataclass(frozen=True)
class Options:
    """How large an experiment is: ``None`` leaves a choice to it.

    Args:
        full: the whole grid instead of the small one.
        seeds: how many, from 0.
        token_budget: padded tokens of a batch.
        rate: what all learning rates are multiplied by.
        known: families beside those of the catalogue and of :data:`training.experiments.plateau.SEEN`.
        rows: runs that are written down already, in the same context.
    """

    full: bool = False
    seeds: int | None = None
    epochs: int | None = None
    family: str | None = None
    token_budget: int | None = None
    rate: float = 1.0
    known: Mapping[str, Family] = field(default_factory=dict)
    rows: Sequence[Row] = ()

    def context(self, material: Material) -> str:
        """A digest of what all runs of one call share; rows of different ones are not compared with each other."""
        asked = (self.epochs, self.family, self.token_budget, self.rate)
        return short(material.digest, asked, torch.get_num_threads())

    def range(self, default: int) -> range:
        """The seeds."""
        return range(self.seeds if self.seeds is not None else default)

    def find(self, default: str) -> Family:
        """The family asked for, or the experiment's own choice."""
        name = self.family or default
        if name in self.known:
            return self.known[name]
        return SEEN[name] if name in SEEN else find_family(name)

    def setting(
        self,
        family: str,
        epochs: float,
        seed: int = 0,
        token_budget: int = TOKEN_BUDGET,
        rate: float = 1.0,
        **more: Any,
    ) -> Setting:
        """A setting with what was asked for in place of the experiment's own choices."""
        found = self.find(family)
        return Setting(
            found,
            self.epochs or max(1, round(epochs)),
            token_budget=self.token_budget or token_budget,
            rate=rate * self.rate * rate_of(found),
            seed=seed,
            **more,
        )


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Args:
        jobs: the runs for a material, those of the first seed first.
        summarise: what the rows of one task say.
        table: that, as Markdown for its card.
        card: the page that shows the table, from the project's root; ``also``: pages that show something else.
    """

    name: str
    about: str
    jobs: Callable[[Material, Options], list[Job]]
    summarise: Callable[[Sequence[Row]], Summary]
    table: Callable[[Summary], str]
    card: Path
    also: tuple[tuple[Path, Callable[[Summary], str]], ...] = ()


def tokens_of(material: Material, family: Family, documents: Sequence[int] | None = None) -> int:
    """Tokens of these training documents, special ones included."""
    return sum(len(example.ids) for example in material.view(family).of(documents))


def plain_job(
    material: Material,
    variant: str,
    setting: Setting,
    documents: Sequence[int] | None = None,
    *,
    slower: float = 1.0,
    ready: bool = True,
    **named: Any,
) -> Job:
    """Train on some documents and judge on the development part.

    Args:
        slower: how many times as long an update takes with the setting's methods as without.
        ready: see :class:`Job`.
        named: what else names the result.
    """

    def seconds(pace: Pace) -> float:
        tokens = tokens_of(material, setting.family, documents)
        training = pace.training(setting.family, setting.token_budget)
        return slower * setting.epochs * tokens * training + pace.judging(setting.family)

    return Job(
        variant,
        setting.seed,
        {**setting.describe(), **named},
        seconds,
        lambda bench: bench.run(setting, documents),
        ready,
    )


def by_seed(jobs: Sequence[Job]) -> list[Job]:
    """All variants of the first seed first, so that an interrupted experiment still has pairs."""
    return sorted(jobs, key=lambda job: job.seed)


def refuse_duplicates(jobs: Sequence[Job]) -> None:
    """Two runs under one name would be one row.

    Raises:
        ConfigurationError: naming it.
    """
    seen: set[tuple[str, int]] = set()
    for job in jobs:
        if (job.variant, job.seed) in seen:
            raise ConfigurationError(f"experiment: {job.variant} of seed {job.seed} stands twice")
        seen.add((job.variant, job.seed))
