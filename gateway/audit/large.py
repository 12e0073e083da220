"""One audit by the large tier: paid for from the audits' budget, and told apart from a request by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.audit.budget import AuditBudget
from gateway.audit.drawing import Drawn
from gateway.audit.listening import Dropped
from gateway.cost import expected_amount
from gateway.engine import Engine, Request

#: Seconds an audit may take; a busy tier refuses what it cannot answer in time, which leaves the tier to requests.
AUDIT_SECONDS = 30.0


@dataclass(frozen=True)
class Said:
    """What the large tier said: the values of each field, none for "not there"; or why it was not asked."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cost: float = 0.0
    dropped: Dropped | None = None


async def ask_large(engine: Engine, budget: AuditBudget, drawn: Drawn, fields: Sequence[str]) -> Said:
    """Ask the large tier about fields of a document.

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
    # Without an answer the estimate stays spent: what was done for it is not known.
    outcome = await engine.extract(
        drawn.task,
        Request(drawn.document, fields=tuple(fields), tiers=("large",), alone=True, deadline=AUDIT_SECONDS),
    )
    cost = outcome.cost.amount
    await asyncio.to_thread(budget.settle, reservation, cost)
    if outcome.extraction.unavailable:
        return Said(cost=cost, dropped="unavailable")
    results = outcome.extraction.fields
    return Said({name: tuple(candidate.value for candidate in results[name].candidates) for name in fields}, cost)
