"""Who wants to know how calls to upstreams go: metrics, mostly."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

#: What became of one call. ``refused``: a 4xx that another try would not change; ``garbled``: not what the interface
#: says; ``unfinished``: nobody waited for it any longer; ``busy``: no slot was free in time.
CallOutcome = Literal[
    "ok", "connect", "timeout", "broken", "rate-limited", "server-error", "refused", "garbled", "unfinished", "busy"
]
CALL_OUTCOMES: tuple[CallOutcome, ...] = get_args(CallOutcome)


class RemoteListener(Protocol):
    """Told what happens, on the event loop; ``upstream`` is always a name from ``upstreams.yaml``."""

    def called(self, upstream: str, outcome: CallOutcome, seconds: float) -> None:
        """A call came to its end."""
        ...

    def retried(self, upstream: str) -> None:
        """An upstream is asked again for the same answer, or in place of another."""
        ...

    def breaker(self, upstream: str, is_open: bool) -> None:
        """An upstream is left alone from now on, or no longer."""
        ...

    def billed(self, upstream: str, prompt_tokens: int, completion_tokens: int, amount: float, currency: str) -> None:
        """A call was answered and costs money, whether its answer could be used or not."""
        ...


class Silence:
    """A listener that does nothing."""

    def called(self, upstream: str, outcome: CallOutcome, seconds: float) -> None: ...

    def retried(self, upstream: str) -> None: ...

    def breaker(self, upstream: str, is_open: bool) -> None: ...

    def billed(
        self, upstream: str, prompt_tokens: int, completion_tokens: int, amount: float, currency: str
    ) -> None: ...
