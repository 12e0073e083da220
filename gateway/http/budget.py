"""The daily budget of a key: an upper estimate is taken before the work, and put right by what it did cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.cost import expected_amount
from gateway.cost.model import characters_read
from gateway.document import TierName
from gateway.errors import BudgetExhausted, CascadeError, Overloaded
from gateway.http.keys import Key
from gateway.loaded import LoadedTask
from gateway.shared.accounts import Accounts

#: An upper estimate is this many times the expected cost: CPU seconds of one document scatter about their line.
_MARGIN = 2.0
#: CPU seconds of a document, and of each of its code points, where the policy has measured none: many times those of
#: the models that come with the gateway.
_UNMEASURED: dict[TierName, tuple[float, float]] = {
    "rules": (0.005, 1e-5),
    "student": (0.1, 2e-4),
    "large": (1.0, 1e-3),
}


@dataclass
class Bill:
    """What the work did cost. Left at ``None``, the whole estimate stays spent."""

    amount: float | None = None


def upper_estimate(task: LoadedTask, tiers: tuple[TierName, ...], characters: int) -> float:
    """Money that asking all of ``tiers`` about a text of ``characters`` code points will hardly exceed."""
    prices = task.spec.prices
    estimates = task.policy.estimates if task.policy else {}
    total = 0.0
    for tier in tiers:
        expected = expected_amount(tier, characters, prices, estimates)
        if expected is None or (tier not in estimates and prices.large is None):
            base, per_character = _UNMEASURED[tier]
            read = characters_read(tier, characters, estimates.get(tier))
            expected = (base + per_character * read) * prices.cpu_second
        total += expected * _MARGIN
    return total


@contextmanager
def charged(accounts: Accounts, key: Key | None, estimate: float) -> Iterator[Bill]:
    """Do work at the key's expense; the block says what it did cost.

    A request that is refused, as wrong or because the service is full, costs nothing. One that ends otherwise without a
    bill (its client left, say) costs the estimate: nobody knows what had been done for it, and leaving early must not
    make it free.

    Raises:
        BudgetExhausted: the key may not spend ``estimate`` any more today.
    """
    bill = Bill()
    if key is None or key.daily_budget is None:
        yield bill
        return
    reservation = accounts.reserve(key.id, estimate, key.daily_budget)
    if reservation is None:
        left = max(0.0, key.daily_budget - accounts.spent_today(key.id))
        raise BudgetExhausted(
            "what the key may still spend today does not cover this request",
            detail={"budget": key.daily_budget, "left": left, "estimate": estimate},
            retry_after=accounts.seconds_to_midnight(),
        )
    try:
        yield bill
    except CascadeError as error:
        if error.status < 500 or isinstance(error, Overloaded):
            bill.amount = 0.0
        raise
    finally:
        if bill.amount is not None:
            accounts.settle(reservation, bill.amount)
