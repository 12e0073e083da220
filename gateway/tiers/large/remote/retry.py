"""When to ask again: back-off with full jitter, and what ``Retry-After`` says.

Full jitter draws the pause evenly from zero to an exponentially growing bound, which spreads callers best (Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

#: A server that asks for a longer pause is asked again after this one, in seconds.
LONGEST_RETRY_AFTER = 300.0


def backoff(attempt: int, *, base: float, longest: float, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after attempt ``attempt`` (the first is 0): even over [0, min(longest, base · 2^attempt))."""
    bound = longest if attempt > 30 else min(longest, base * 2.0**attempt)
    return draw() * bound


def parse_retry_after(value: str | None, *, now: Callable[[], float] = time.time) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3: seconds or an HTTP date), at least 0 and at
    most :data:`LONGEST_RETRY_AFTER`; ``None`` without one or where it cannot be read."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return min(max(0.0, moment.timestamp() - now()), LONGEST_RETRY_AFTER)
