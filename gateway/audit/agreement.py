"""What an audit by the large tier can tell: agreement, not truth.

The large tier errs too. If it disagrees with a share a of the right answers and a share b of the wrong ones, and e of
the accepted answers are wrong, it disagrees with d = a·(1 − e) + b·e of them. While the promise e ≤ m holds, and b ≥ a,

    d ≤ a·(1 − m) + b·m .

Both shares are measured on labelled documents, where the truth is known, and taken at their upper bounds, so that the
promise is not doubted for what is the large tier's own fault. They belong to one way of accepting: another chain of
tiers or another target accepts other answers, of which the large tier disagrees with others. So each is measured by
itself (a *level*). Where nothing was measured, nothing is tested.

The price is power: where wrong answers are few, b's bound is near 1, and doubts come later than a person's judgement
would raise them. Errors the large tier shares with the tier it audits (b below 1) are not seen at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway.evaluation.bounds import clopper_pearson_upper
from gateway.policy import Chain, chain_name

#: A limit at or above this leaves nothing to be tested.
HIGHEST_LIMIT = 0.95


@dataclass(frozen=True)
class Agreement:
    """Accepted answers of labelled documents by whether they are right, and with how many the large tier disagreed."""

    right: int = 0
    right_disagreed: int = 0
    wrong: int = 0
    wrong_disagreed: int = 0

    @classmethod
    def of(cls, observations: Iterable[tuple[bool, bool]]) -> Agreement:
        """Count ``(the accepted answer is right, the large tier agrees with it)``."""
        right = right_disagreed = wrong = wrong_disagreed = 0
        for is_right, agrees in observations:
            if is_right:
                right, right_disagreed = right + 1, right_disagreed + (not agrees)
            else:
                wrong, wrong_disagreed = wrong + 1, wrong_disagreed + (not agrees)
        return cls(right, right_disagreed, wrong, wrong_disagreed)

    def as_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Any) -> Agreement:
        """Raises ``ValueError`` or ``TypeError`` for anything but four counts that fit together."""
        counts = cls(**{str(name): int(value) for name, value in dict(raw).items()})
        if not 0 <= counts.right_disagreed <= counts.right or not 0 <= counts.wrong_disagreed <= counts.wrong:
            raise ValueError(f"counts of agreement do not fit together: {counts}")
        return counts


def level_name(chain: Chain, guarantee: float) -> str:
    """What accepted answers have in common whose agreement is measured together: ``rules+student+large@0.95``."""
    return f"{chain_name(chain)}@{guarantee:g}"


def allowed_disagreement(counts: Agreement, limit: float, delta: float) -> float:
    """The rate at which the large tier may disagree with accepted answers while at most ``limit`` of them are wrong.

    The bound a·(1 − m) + b·m of the module's docstring with upper Clopper-Pearson bounds for a and b, each at
    ``delta / 2``: over the draw of the labelled documents it is too low with probability at most ``delta``.

    Args:
        counts: accepted answers of one field and level, those that the large tier did not give itself.
        limit: 1 − the quality target.
        delta: see above.
    """
    right = clopper_pearson_upper(counts.right_disagreed, counts.right, delta / 2)
    wrong = clopper_pearson_upper(counts.wrong_disagreed, counts.wrong, delta / 2)
    return right * (1.0 - limit) + max(right, wrong) * limit


def disagreement_limit(levels: Mapping[str, Agreement], level: str, guarantee: float, alpha: float) -> float | None:
    """The limit for an audit by the large tier of an answer of ``level``; ``None``: nothing can be tested.

    The limits of all of a field's levels share ``alpha``: that any of them is too low has at most that probability.

    Args:
        levels: what was measured of the field, by level.
        level: the answer's.
        guarantee: what was promised for it.
        alpha: see above.
    """
    counts = levels.get(level)
    if counts is None or not counts.right:
        return None
    allowed = allowed_disagreement(counts, 1.0 - guarantee, alpha / len(levels))
    return allowed if allowed < HIGHEST_LIMIT else None
