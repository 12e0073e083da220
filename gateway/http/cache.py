"""Answers kept in memory, to be given again to exactly the same request.

The key is a keyed hash of everything that can change an answer: text, options, the versions of rules, models and
policy, and whose API key asked, so that nobody learns from a fast answer what somebody else has sent. The hash's key
is random and of this process alone. There is no likeness search: a similar text is another text.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cascade import Status
from gateway.extraction import Outcome
from gateway.http.responses import encode_json
from gateway.http.schemas import ExtractRequest

#: What an entry takes beside its bytes: dictionary slot, objects.
_ENTRY_BYTES = 400
#: Keys of a request that do not change its answer.
_INDIFFERENT = {"id", "deadline_ms"}


_NO_WORK: Mapping[str, Any] = {
    "amount": 0.0,
    "by_tier": {},
    "overhead": 0.0,
    "energy_joules": 0.0,
    "co2e_grams": 0.0,
}


@dataclass(frozen=True)
class Kept:
    """An answer without what belongs to one request (its id and timing), and what its work is counted by."""

    body: bytes
    status: Status
    always_large: float | None
    currency: str
    expires: float

    def answer(self, identifier: str | None, seconds: float) -> bytes:
        """The answer's JSON for another request."""
        timing = round(seconds * 1000, 3)
        return b'{"id":%b,"timing_ms":{"total":%b},%b' % (encode_json(identifier), encode_json(timing), self.body[1:])


class AnswerCache:
    """The answers used last, as many as ``limit`` bytes hold, each for ``seconds`` at most."""

    def __init__(self, limit: int, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._monotonic = monotonic
        self._secret = os.urandom(32)
        self._entries: OrderedDict[bytes, Kept] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes taken."""
        return self._size

    def key(self, asked: ExtractRequest, versions: Mapping[str, Any], account: str) -> bytes:
        """The key of a request."""
        # Every option counts, the ones that are added later too.
        options = {name: value for name, value in vars(asked).items() if name not in _INDIFFERENT}
        content = encode_json([options, dict(versions), account])
        return hashlib.blake2b(content, digest_size=32, key=self._secret).digest()

    def get(self, key: bytes) -> Kept | None:
        """What was kept under ``key`` and has not expired."""
        kept = self._entries.get(key)
        if kept is None:
            return None
        if self._monotonic() >= kept.expires:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return kept

    def put(self, key: bytes, outcome: Outcome, answer: Mapping[str, Any]) -> None:
        """Keep an answer. One that a tier was missing from is not kept: it would outlive the tier's absence."""
        if outcome.extraction.status == "degraded" or outcome.extraction.unavailable:
            return
        cost = {**answer["cost"], **_NO_WORK, "cached": True}
        cost.pop("provisioned", None)
        rest = {name: value for name, value in answer.items() if name not in ("id", "timing_ms")}
        kept = Kept(
            encode_json({**rest, "cost": cost}),
            outcome.extraction.status,
            outcome.cost.always_large,
            outcome.cost.currency,
            self._monotonic() + self._seconds,
        )
        if key in self._entries:
            self._drop(key)
        size = _bytes(kept)
        if size > self._limit:
            return
        self._entries[key] = kept
        self._size += size
        while self._size > self._limit:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        self._size -= _bytes(self._entries.pop(key))


def _bytes(kept: Kept) -> int:
    return len(kept.body) + _ENTRY_BYTES
