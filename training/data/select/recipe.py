"""Choosing data from one line of a recipe: which score, how much, from which end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from numpy.typing import ArrayLike

from training.data.select.choose import PREFERENCES, Prefer, choose, choose_stratified, random_scores
from training.methods.options import Options

#: The scores a recipe may name, and which end of each is kept by default. Near-duplicates go first whatever the score.
SCORES: dict[str, Prefer] = {
    "random": "high",
    "prototypes": "high",
    "el2n": "high",
    "forgetting": "high",
    "dispersion": "high",
    "disagreement": "high",
    "margin": "low",
    "combined": "high",
}


@dataclass(frozen=True)
class Selection:
    """How a labelled set is pruned before training."""

    score: str
    keep: float
    prefer: Prefer
    stratified: bool = True
    least: int = 10
    seed: int = 0

    def indices(self, scores: ArrayLike | None, fields: Sequence[Collection[str]]) -> list[int]:
        """The examples to train on, sorted.

        Args:
            scores: one an example, from the method that ``score`` names; not needed for ``random``.
            fields: for every example the fields that have a value in it.

        Raises:
            ConfigurationError: scores do not fit.
        """
        values = random_scores(len(fields), self.seed) if scores is None else scores
        if self.stratified:
            return choose_stratified(values, self.keep, fields, prefer=self.prefer, least=self.least, seed=self.seed)
        return choose(values, self.keep, prefer=self.prefer, seed=self.seed)


def parse_selection(line: str) -> Selection:
    """The selection of a line ``SCORE keep=SHARE [prefer=high|low] [stratified=no] [least=10] [seed=0]``.

    Raises:
        ConfigurationError: an unknown score or option, or a value out of range.
    """
    words = line.split()
    first = Options("select", [f"score={words[0] if words else ''}"])
    score = first.text("score", "", tuple(SCORES))
    options = Options("select", words[1:])
    selection = Selection(
        score,
        options.number("keep", 0.5, 1e-6, 1),
        cast(Prefer, options.text("prefer", SCORES[score], PREFERENCES)),
        options.text("stratified", "yes", ("yes", "no")) == "yes",
        options.integer("least", 10),
        options.integer("seed", 0),
    )
    options.done()
    return selection
