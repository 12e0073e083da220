"""What calibration counts: every document's most probable answer at each stage of a chain, and how many of these
answers a threshold settles, right and wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gateway.combine import Combiner, most_probable
from gateway.evaluation.metrics import expected_values
from gateway.policy import Chain, Threshold, chain_name
from gateway.task import TaskSpec
from training.calibrate.outputs import Observed

#: Thresholds tried, strictest first; fixed, so that no calibration document shapes it. Even steps of log-odds.
GRID = (*(round(1 / (1 + math.exp(-step / 4)), 4) for step in range(28, -13, -1)), 0.0)


@dataclass(frozen=True)
class Stage:
    """The most probable answer at one stage: its probability (−1: nothing known), whether right, whether a value."""

    probability: float
    right: bool
    present: bool = True


@dataclass(frozen=True)
class Trial:
    """One document's most probable answer at every stage of a chain."""

    stages: tuple[Stage, ...]

    def settled(self, threshold: Threshold) -> int | None:
        """The number of the first stage whose answer is not passed on; ``None`` when every one is."""
        for number, stage in enumerate(self.stages):
            if threshold.settles(stage.probability, present=stage.present):
                return number
        return None


@dataclass(frozen=True)
class Counts:
    """Answers that settle a field and errors among them, by kind; ``lost``: values that an absence missed and that the
    last stage had right."""

    present: int
    present_errors: int
    absent: int = 0
    absent_errors: int = 0
    lost: int = 0


def trials(
    observed: Sequence[Observed],
    chain: Chain,
    combiners: Mapping[str, Mapping[str, Combiner]],
    task: TaskSpec,
    name: str,
    absence: Mapping[str, Mapping[str, Combiner]] | None = None,
) -> list[Trial]:
    """What the cascade would see of a field, stage by stage, in every document annotated for it."""
    kind = task.fields[name].type
    found: list[Trial] = []
    for item in observed:
        expected = expected_values(task, item.document, name)
        if expected is None:
            continue
        stages: list[Stage] = []
        for length in range(1, len(chain) + 1):
            evidence = chain[:length]
            # A chain whose tiers found nothing in the fitting documents has none; like the cascade, the scores decide.
            combiner = combiners.get(chain_name(evidence), {}).get(name)
            answers = {tier: item.answers(tier, task, name) for tier in evidence}
            best, probability = most_probable(
                answers,
                combiner,
                kind,
                options=task.options,
                absence=(absence or {}).get(chain_name(evidence), {}).get(name),
            )
            if best is None or best.present:
                right = best is not None and item.judge(best, task, name) is True
                stages.append(Stage(probability, right))
            else:
                stages.append(Stage(probability, not expected, present=False))
        found.append(Trial(tuple(stages)))
    return found


#: A threshold for values, and one for "absent" unless that is always passed on.
Pair = tuple[float, float | None]
#: Reached by no probability: "absent" is passed on.
_NEVER = 2.0


class Table:
    """Trials as arrays of shape [documents, stages], to count quickly. What takes several targets makes it once."""

    def __init__(self, found: Sequence[Trial]) -> None:
        longest = max((len(trial.stages) for trial in found), default=0)
        self.probability = np.full((len(found), longest), -1.0)
        self.present = np.ones((len(found), longest), dtype=bool)
        self.right = np.zeros((len(found), longest), dtype=bool)
        for row, trial in enumerate(found):
            for column, stage in enumerate(trial.stages):
                self.probability[row, column] = stage.probability
                self.present[row, column] = stage.present
                self.right[row, column] = stage.right

    def __len__(self) -> int:
        return len(self.probability)

    @classmethod
    def of(cls, found: Sequence[Trial] | Table) -> Table:
        """Itself, or the table of these trials."""
        return found if isinstance(found, Table) else cls(found)

    @cached_property
    def by_grid(self) -> list[NDArray[np.int64]]:
        """For every λ of the grid the counts with no threshold for "absent" and with each of the grid."""
        return [self.count(threshold, [None, *GRID]) for threshold in GRID]

    @cached_property
    def valued(self) -> int:
        """How many documents are seen to have a value: some stage finds the right one, or wrongly none."""
        shown = self.probability >= 0
        return int((shown & (self.present == self.right)).any(axis=1).sum())

    def count(self, threshold: float, absents: Sequence[float | None]) -> NDArray[np.int64]:
        """Counts at one threshold for values and each of several for "absent": [absents, 5], as in :class:`Counts`."""
        first = self._first(threshold, absents)
        present = first & self.present
        absent = first & ~self.present
        missed = absent & ~self.right
        lost = missed & self.right[:, -1:]
        return np.stack(
            [part.sum(axis=(1, 2)) for part in (present, present & ~self.right, absent, missed, lost)], axis=1
        )

    def _first(self, threshold: float, absents: Sequence[float | None]) -> NDArray[np.bool_]:
        """The stage that settles each document, if any: [absents, documents, stages]."""
        wanted = np.array([_NEVER if absent is None else absent for absent in absents])[:, None, None]
        passes = self.probability >= np.where(self.present, threshold, wanted)
        found: NDArray[np.bool_] = passes & (np.cumsum(passes, axis=2) == 1)
        return found

    def shown(self, pair: Pair) -> NDArray[np.bool_]:
        """For each document whether the answer is right that escalation at these thresholds ends with."""
        first = self._first(pair[0], [pair[1]])[0]
        stage = np.where(first.any(axis=1), first.argmax(axis=1), first.shape[1] - 1)
        right: NDArray[np.bool_] = self.right[np.arange(len(stage)), stage]
        return right

    def values(self, pair: Pair) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each document whether a value is accepted at these thresholds, and whether it is a wrong one."""
        first = self._first(pair[0], [pair[1]])[0] & self.present
        return first.any(axis=1), (first & ~self.right).any(axis=1)


def count(found: Sequence[Trial] | Table, threshold: float, absent: float | None = None) -> Counts:
    """What is settled at these thresholds, and how much of it is wrong."""
    return Counts(*(int(number) for number in Table.of(found).count(threshold, [absent])[0]))
