"""Response headers that say how an answer was made: for people with curl, and for proxies that log no bodies."""

from __future__ import annotations

from gateway.extraction import Outcome
from gateway.settings import Settings
from gateway.telemetry.counting import OVERHEAD

#: A request that carries it, with whatever value, asks for the headers (``CASCADE_DETAIL_HEADERS=asked``).
ASKED = b"x-cascade-detail"
Headers = list[tuple[bytes, bytes]]


def wants_detail(settings: Settings, headers: Headers) -> bool:
    """Whether the answer to a request with ``headers`` (ASGI's) says how it was made."""
    if settings.detail_headers == "asked":
        return any(name == ASKED for name, _ in headers)
    return settings.detail_headers == "always"


def detail_headers(outcome: Outcome | None, seconds: float) -> Headers:
    """Tiers, money, what the large tier alone would have cost, and wall time by tier.

    Args:
        outcome: of the request; ``None`` where an earlier answer was given again.
        seconds: since the request came.
    """
    total = f"total;dur={seconds * 1000:.3f}"
    if outcome is None:
        return [(b"x-cascade-cached", b"true"), (b"server-timing", total.encode())]
    cost = outcome.cost
    tiers = {tier: spent for tier, spent in outcome.timing.items() if tier != "total"}
    around = max(0.0, seconds - sum(tiers.values()))
    timing = [f"{tier};dur={spent * 1000:.3f}" for tier, spent in (*tiers.items(), (OVERHEAD, around))]
    headers = [
        (b"x-cascade-tiers", ",".join(outcome.extraction.tiers).encode()),
        (b"x-cascade-cost", f"{cost.amount:.6g} {cost.currency}".encode()),
        (b"server-timing", ", ".join([total, *timing]).encode()),
    ]
    if cost.always_large is not None:
        headers.append((b"x-cascade-always-large", f"{cost.always_large:.6g} {cost.currency}".encode()))
    if cost.provisioned is not None:
        headers.append((b"x-cascade-provisioned", f"{cost.provisioned:.6g} {cost.currency}".encode()))
    return headers
