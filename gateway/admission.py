"""Which tiers a request may use, settled before the first of them is asked.

A chain's certificate holds for all documents that the chain decides. Were a tier left out only when its turn comes, the
easy documents would be decided at the threshold of the whole chain and the hard ones at that of a shorter one, and no
test has seen the two together. So a tier that will not be asked is left out from the start, and what decides that is
known from the request alone: its budget, its deadline, the length of its text, and which tiers are known to be out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.cost import expected_amount
from gateway.cost.model import characters_read
from gateway.document import TierName
from gateway.policy import TierEstimate
from gateway.task import Prices

#: Most CPU threads that make one document's forward pass faster (:mod:`gateway.inference.shares`).
_MOST_THREADS = 4


@dataclass(frozen=True)
class Admission:
    """``tiers`` may be asked, in order; ``over_budget`` and ``unavailable`` hold the others, each with the reason."""

    tiers: tuple[TierName, ...]
    over_budget: Mapping[TierName, str]
    unavailable: Mapping[TierName, str]


def admit(
    tiers: Sequence[TierName],
    characters: int,
    *,
    prices: Prices,
    estimates: Mapping[str, TierEstimate],
    out: Mapping[TierName, str],
    budget: float | None = None,
    deadline: float | None = None,
) -> Admission:
    """The tiers that a request may use.

    Args:
        tiers: those it allows, in order.
        characters: code points of its text.
        prices, estimates: what tiers cost; of a tier of which nothing is known, nothing is expected.
        out: tiers that are known not to answer now, and why.
        budget: the most money it may cost, for all its tiers together.
        deadline: seconds until it must be answered.
    """
    allowed: list[TierName] = []
    over_budget: dict[TierName, str] = {}
    unavailable: dict[TierName, str] = {}
    amount = seconds = 0.0
    for tier in tiers:
        if tier in out:
            unavailable[tier] = out[tier]
            continue
        least = least_seconds(tier, characters, estimates)
        if deadline is not None and tier != "rules" and seconds + least > deadline:
            unavailable[tier] = f"the deadline is too short for it: expected to take {seconds + least:.3g} s at least"
            continue
        expected = expected_amount(tier, characters, prices, estimates)
        if budget is not None and expected is not None and amount + expected > budget:
            over_budget[tier] = over(expected, amount, budget)
            continue
        allowed.append(tier)
        amount += expected or 0.0
        seconds += least
    return Admission(tuple(allowed), over_budget, unavailable)


def over(expected: float, spent: float, budget: float) -> str:
    """Why a tier is not asked that is ``expected`` to cost more than ``spent``, by the tiers before, leaves."""
    return f"expected to cost {expected:.3g}, with {spent:.3g} spent of a budget of {budget:.3g}"


def least_seconds(tier: TierName, characters: int, estimates: Mapping[str, TierEstimate]) -> float:
    """Seconds a tier takes for a text at the very least: what it is expected to compute, spread over the cores that
    can share it, with nobody before it; 0 where nothing is known. Rules run on one core."""
    estimate = estimates.get(tier)
    if estimate is None:
        return 0.0
    seconds = estimate.cpu_seconds(characters_read(tier, characters, estimate))
    return seconds if tier == "rules" else seconds / min(_MOST_THREADS, os.cpu_count() or 1)
