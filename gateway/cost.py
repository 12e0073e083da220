"""What a request costs, from measured work and configured prices.

Marginal cost only: the CPU seconds a request made its tiers spend, times the price of a CPU second, and what a remote
tier was billed. ``always_large`` is what the large tier alone would have cost for the same text: what it did cost where
it ran, else the estimate in policy.json, and for a remote tier one from its token prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.document import TierName, Work
from gateway.policy import TierEstimate
from gateway.task import Prices


@dataclass(frozen=True)
class Cost:
    """Money for one request. ``always_large`` is ``None`` when nothing is known of the large tier's cost."""

    amount: float
    currency: str
    always_large: float | None
    by_tier: Mapping[TierName, float]


def cost_of(
    work: Mapping[TierName, Work], characters: int, prices: Prices, estimates: Mapping[str, TierEstimate]
) -> Cost:
    """The cost of one document of ``characters`` code points on which tiers did ``work``."""
    by_tier: dict[TierName, float] = {
        tier: spent.cpu_seconds * prices.cpu_second + spent.amount for tier, spent in work.items()
    }
    always_large: float | None = by_tier.get("large")
    if always_large is None:
        always_large = expected_amount("large", characters, prices, estimates)
    return Cost(sum(by_tier.values()), prices.currency, always_large, by_tier)


def expected_amount(
    tier: TierName, characters: int, prices: Prices, estimates: Mapping[str, TierEstimate]
) -> float | None:
    """Money a tier is expected to cost for a text of ``characters`` code points; ``None`` when nothing is known."""
    computed = estimates[tier].cpu_seconds(characters) * prices.cpu_second if tier in estimates else None
    billed = prices.large.amount(characters) if tier == "large" and prices.large is not None else None
    return None if computed is None and billed is None else (computed or 0.0) + (billed or 0.0)
