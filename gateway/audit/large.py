"""One audit by the large tier: paid for from the audits' budget, and told apart from a request by nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.audit.budget import AuditBudget
from gateway.audit.drawing import Drawn
from gateway.audit.listening import Dropped
from gateway.cost import expected_amount
from gateway.engine import Engine, Request
from gateway.errors import Overloaded
from gateway.extraction import Outcome

#: Seconds an audit may take once the large tier has room for it.
AUDIT_SECONDS = 30.0
#: Seconds until a busy large tier is asked again: at first, and at most.
BUSY_SECONDS, LONGEST_SECONDS = 0.1, 3.2
#: Seconds after which one that is still busy is not asked any more. Others wait behind, and the money is wanted too.
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Said:
    """What the large tier said: the values of each field, none for "not there"; or why it was not asked."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cost: float = 0.0
    dropped: Dropped | None = None


async def ask_large(engine: Engine, budget: AuditBudget, drawn: Drawn, fields: Sequence[str], most_before: int) -> Said:
    """Ask the large tier about fields of a document, as soon as it has no more than ``most_before`` requests before it:
    of any worker, for whoever runs the model decides.

    Its expected cost is reserved before. A document whose cost cannot be told beforehand is not audited.

    Raises:
        AuditStoreError: the budget cannot be counted; nothing was asked.
    """
    spec, policy = drawn.task.spec, drawn.task.policy
    estimates = policy.estimates if policy is not None else {}
    expected = expected_amount("large", len(drawn.document.text), spec.prices, estimates)
    if "large" not in spec.tiers or "large" in drawn.task.unavailable:
        return Said(dropped="unavailable")
    if expected is None:
        return Said(dropped="unpriced")
    reservation = await asyncio.to_thread(budget.reserve, spec.prices.currency, expected)
    if reservation is None:
        return Said(dropped="budget")
    # Without an answer the estimate stays spent: what was done for it is not known. A refusal did cost nothing.
    outcome = await _when_idle(
        engine,
        drawn,
        Request(
            drawn.document,
            fields=tuple(fields),
            tiers=("large",),
            alone=True,
            deadline=AUDIT_SECONDS,
            most_before=most_before,
        ),
    )
    if outcome is None:
        await asyncio.to_thread(budget.settle, reservation, 0.0)
        return Said(dropped="busy")
    cost = outcome.cost.amount
    await asyncio.to_thread(budget.settle, reservation, cost)
    if outcome.extraction.unavailable:
        return Said(cost=cost, dropped="unavailable")
    results = outcome.extraction.fields
    return Said({name: tuple(candidate.value for candidate in results[name].candidates) for name in fields}, cost)


async def _when_idle(engine: Engine, drawn: Drawn, request: Request) -> Outcome | None:
    """The answer, once the large tier takes the request; ``None`` when it was too busy for too long."""
    pause = BUSY_SECONDS
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return await engine.extract(drawn.task, request)
        except Overloaded:
            if time.monotonic() + pause > give_up:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_SECONDS)
