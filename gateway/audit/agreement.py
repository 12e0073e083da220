"""What an audit by the large tier can tell: agreement, not truth.

The large tier errs too. If it disagrees with a share a of the right answers and a share b of the wrong ones, and e of
the accepted answers are wrong, it disagrees with d = a·(1 − e) + b·e of them. While the promise e ≤ m holds, and b ≥ a,

    d ≤ a·(1 − m) + b·m .

Both shares are measured on the calibration documents, where the truth is known, and taken at their upper bounds, so
that the promise is not doubted for what is the large tier's own fault. The price is power: where wrong answers are
few, b's bound is near 1, and doubts come later than a person's judgement would raise them. Errors the large tier shares
with the tier it audits (b below 1) are not seen at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from gateway.evaluation.bounds import clopper_pearson_upper
from gateway.policy import Policy

#: A limit at or above this leaves nothing to be tested.
HIGHEST_LIMIT = 0.95


@dataclass(frozen=True)
class Agreement:
    """Accepted answers of the calibration documents by whether they are right, and with how many the large tier
    disagreed."""

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


def allowed_disagreement(counts: Agreement, limit: float, delta: float = 0.05) -> float:
    """The rate at which the large tier may disagree with accepted answers while at most ``limit`` of them are wrong.

    The bound a·(1 − m) + b·m of the module's docstring with upper Clopper-Pearson bounds for a and b, each at
    ``delta / 2``: over the draw of the calibration documents it is too low with probability at most ``delta``.

    Args:
        counts: accepted answers of one field on calibration documents, those that the large tier did not give itself.
        limit: 1 − the quality target.
        delta: see above.
    """
    right = clopper_pearson_upper(counts.right_disagreed, counts.right, delta / 2)
    wrong = clopper_pearson_upper(counts.wrong_disagreed, counts.wrong, delta / 2)
    return right * (1.0 - limit) + max(right, wrong) * limit


def assumed_disagreement(large_error: float, limit: float) -> float:
    """The same without measured agreement: an answer is disagreed with when it is wrong or the large tier is."""
    return min(1.0, limit + large_error)


def large_error(policy: Policy, field: str) -> float | None:
    """An upper bound on the share of wrong answers of the large tier alone, from its own certificates.

    ``None`` when the policy says nothing about it.

    Taken where its threshold accepted most, so that nearly all its answers count.
    """
    found = list(policy.thresholds.get("large", {}).get(field, {}).values())
    return max(found, key=lambda threshold: threshold.accepted).bound if found else None


def disagreement_limit(counts: Agreement | None, policy: Policy | None, field: str, guarantee: float) -> float | None:
    """The limit for an audit of ``field`` by the large tier, from what is known; ``None``: nothing can be tested."""
    limit = 1.0 - guarantee
    if counts is not None and counts.right:
        allowed = allowed_disagreement(counts, limit)
    else:
        own = large_error(policy, field) if policy is not None else None
        if own is None:
            return None
        allowed = assumed_disagreement(own, limit)
    return allowed if allowed < HIGHEST_LIMIT else None
