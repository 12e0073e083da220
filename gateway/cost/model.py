"""What a request costs, from measured work and configured prices: its *marginal* cost.

A tier's work costs its CPU seconds, GPU seconds, tokens and calls at the task's prices, and what a remote tier was
billed. Overhead is the CPU seconds that were spent around the tiers. ``always_large`` is what the large tier alone
would have cost for the same text: what it did cost where it ran, else the estimate in policy.json, and for a remote
tier one from its token prices; and the same overhead. No estimate goes beyond what a tier reads of a document. A
document that a filter told apart would not have reached the large tier either. ``docs/cost.md`` defines every figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.document import TierName, Work
from gateway.policy import TierEstimate
from gateway.task import Prices

#: Characters of a token, roughly, where tokens have to be known before a text is read.
_CHARACTERS_PER_TOKEN = 2.5
#: What a model tier is taken to read of a document where the policy does not say: the 6,368 tokens of its first 12 and
#: last 4 windows, of 510 tokens that overlap by 128 (:data:`gateway.tiers.model.FIRST_WINDOWS`). Texts with longer
#: tokens are read further; their estimate is too low then, which makes savings look smaller and not larger.
READ_CHARACTERS = int(6368 * _CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Cost:
    """Money for one request.

    ``amount`` is the sum of ``by_tier`` and ``overhead``. ``always_large`` is ``None`` when nothing is known of the
    large tier's cost, ``provisioned`` when nothing is known of the machine's price. ``overhead_seconds`` are the CPU
    seconds behind ``overhead``; ``energy_joules`` and ``co2e_grams`` are estimated from all CPU and GPU seconds, and
    ``None`` outside a service.
    """

    amount: float
    currency: str
    always_large: float | None
    by_tier: Mapping[TierName, float]
    overhead: float = 0.0
    provisioned: float | None = None
    overhead_seconds: float = 0.0
    energy_joules: float | None = None
    co2e_grams: float | None = None


def amount_of(tier: TierName, work: Work, prices: Prices) -> float:
    """Money for a tier's work on one document."""
    amount = work.cpu_seconds * prices.cpu_second + work.gpu_seconds * prices.gpu_second + work.amount
    extra = prices.tiers.get(tier)
    # What a remote tier read and wrote stands in its bill already.
    return amount if extra is None or work.amount else amount + extra.amount(work.tokens - work.completion_tokens)


def cost_of(
    work: Mapping[TierName, Work],
    characters: int,
    prices: Prices,
    estimates: Mapping[str, TierEstimate],
    *,
    overhead_seconds: float = 0.0,
    filtered: bool = False,
) -> Cost:
    """The cost of one document of ``characters`` code points on which tiers did ``work``, with ``overhead_seconds`` of
    CPU time around it. A ``filtered`` one would not have reached the large tier either: it saves nothing."""
    by_tier: dict[TierName, float] = {tier: amount_of(tier, spent, prices) for tier, spent in work.items()}
    overhead = overhead_seconds * prices.cpu_second
    always_large: float | None = by_tier.get("large")
    if always_large is None:
        always_large = expected_amount("large", characters, prices, estimates)
    if always_large is not None and filtered:
        always_large = 0.0
    if always_large is not None:
        always_large += overhead
    return Cost(
        sum(by_tier.values()) + overhead,
        prices.currency,
        always_large,
        by_tier,
        overhead,
        overhead_seconds=overhead_seconds,
    )


def expected_amount(
    tier: TierName, characters: int, prices: Prices, estimates: Mapping[str, TierEstimate]
) -> float | None:
    """Money a tier is expected to cost for a text of ``characters`` code points; ``None`` when nothing is known.

    Beyond what the tier reads of a document a longer text costs no more.
    """
    estimate = estimates.get(tier)
    read = characters_read(tier, characters, estimate)
    computed = estimate.cpu_seconds(read) * prices.cpu_second if estimate is not None else None
    billed = prices.large.amount(characters) if tier == "large" and prices.large is not None else None
    if computed is None and billed is None:
        return None
    extra = prices.tiers.get(tier) if billed is None else None
    return (computed or 0.0) + (billed or 0.0) + (extra.amount(read / _CHARACTERS_PER_TOKEN) if extra else 0.0)


def characters_read(tier: TierName, characters: int, estimate: TierEstimate | None) -> int:
    """How much of a text a tier reads: rules all of it, model tiers a bounded number of windows."""
    if tier == "rules":
        return characters
    most = None if estimate is None else estimate.most_characters
    return min(characters, READ_CHARACTERS if most is None else most)
