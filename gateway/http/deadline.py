"""The deadline a request's header asks for."""

from __future__ import annotations

import re

from gateway.errors import InvalidRequest

HEADER = "X-Deadline-Ms"
_NUMBER = re.compile(rb"\d{1,9}(?:\.\d{1,6})?")
_LONGEST_MS = 3_600_000


def deadline_seconds(headers: list[tuple[bytes, bytes]], default_ms: float) -> float:
    """Seconds a request may take: ``X-Deadline-Ms``, but no more than ``default_ms``; headers are ASGI's.

    Raises:
        InvalidRequest: the header is no number above 0 and up to 3,600,000.
    """
    milliseconds = default_ms
    for name, value in headers:
        if name == b"x-deadline-ms":
            asked = float(value) if _NUMBER.fullmatch(value) else 0.0
            if not 0 < asked <= _LONGEST_MS:
                raise InvalidRequest(
                    f"{HEADER}: expected a number of milliseconds above 0 and up to {_LONGEST_MS}",
                    detail={"problems": [{"key": HEADER, "problem": "expected a number of milliseconds"}]},
                )
            milliseconds = min(milliseconds, asked)
    return milliseconds / 1000
