"""All upstreams of a home, and one answer from several of them: failover, and asking again within the time there is.

An answer is sought in rounds. In each, the upstreams are asked in the task's order until one answers; those whose
breaker is open or that asked to be left alone are passed over. Between rounds there is a pause with jitter, or as long
as an upstream asked for, if the deadline allows it. What another try would not change ends an upstream's turn for good.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import TierUnavailable
from gateway.inference.base import OUT
from gateway.tiers.large.remote.capabilities import Call
from gateway.tiers.large.remote.client import CallFailed, Reply, UpstreamClient
from gateway.tiers.large.remote.configuration import RemoteTask, Upstream
from gateway.tiers.large.remote.listener import RemoteListener, Silence
from gateway.tiers.large.remote.retry import backoff


@dataclass(frozen=True)
class RetryPolicy:
    """How often a question is asked again, and how long the first and the longest pause may be, in seconds."""

    retries: int = 2
    base: float = 0.2
    longest: float = 5.0

    @classmethod
    def of(cls, task: RemoteTask) -> RetryPolicy:
        """As a task's ``remote.yaml`` says."""
        return cls(task.retries, task.backoff, task.longest_backoff)


class Upstreams:
    """The clients of the upstreams that ``upstreams.yaml`` names: one each, which all tasks share. For one event loop;
    clients may be taken on any thread.

    Args:
        path: the file.
        environment: where secrets stand.
        listener: told what happens.
    """

    def __init__(
        self,
        path: Path,
        *,
        environment: Mapping[str, str] | None = None,
        listener: RemoteListener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._environment = os.environ if environment is None else environment
        self._listener: RemoteListener = listener or Silence()
        self._clock = clock
        self._lock = threading.Lock()
        #: How many hold each client. Its key is the whole description: one that says something else is another client.
        self._held: Counter[UpstreamClient] = Counter()

    def clients(self, chosen: Sequence[Upstream]) -> list[UpstreamClient]:
        """The clients of ``chosen``, to be given back to :meth:`release`. An upstream that is described otherwise than
        before gets another client; those who hold the former go on with it.

        Raises:
            ModelMissing: a secret is not in the environment.
            UpstreamFileError: a TLS file cannot be used.
        """
        with self._lock:
            found = [self._client(upstream) for upstream in chosen]
            self._held.update(found)
        return found

    def _client(self, upstream: Upstream) -> UpstreamClient:
        for client in self._held:
            if client.upstream == upstream:
                return client
        return UpstreamClient(upstream, self._environment, self._listener, clock=self._clock)

    async def release(self, clients: Sequence[UpstreamClient]) -> None:
        """Give back what :meth:`clients` gave; the connections of those that nobody holds any more are closed."""
        with self._lock:
            self._held.subtract(clients)
            unused = [client for client, holders in self._held.items() if holders <= 0]
            for client in unused:
                del self._held[client]
            others = {client.name: client for client in self._held}
        for client in unused:
            await client.close()
            # The last word on a name is that of the client that goes on; one that is gone leaves nothing open.
            goes_on = client.name in others and others[client.name].is_open
            if goes_on != client.is_open:
                self._listener.breaker(client.name, goes_on)

    async def complete(
        self, clients: Sequence[UpstreamClient], call: Call, policy: RetryPolicy, seconds: float
    ) -> Reply:
        """A reply from the first of ``clients`` that gives one within ``seconds``.

        Raises:
            TierUnavailable: none did; ``retry_after`` is known where all were waiting for something.
        """
        search = _Search(clients, self._listener, self._clock() + seconds, self._clock)
        for attempt in range(policy.retries + 1):
            if attempt:
                pause = backoff(attempt - 1, base=policy.base, longest=policy.longest)
                if not await search.rest(pause, policy.longest):
                    break
            reply = await search.round(call)
            if reply is not None:
                return reply
        raise search.failure(policy.longest)

    async def close(self) -> None:
        """Close all connections, whoever holds them."""
        with self._lock:
            clients = list(self._held)
            self._held.clear()
        for client in clients:
            await client.close()


class _Search:
    """One question and the upstreams that may still answer it."""

    def __init__(
        self,
        clients: Sequence[UpstreamClient],
        listener: RemoteListener,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self._all, self._clients = tuple(clients), list(clients)
        self._listener, self._deadline, self._clock = listener, deadline, clock
        self._failures: dict[str, str] = {}
        self._asked = 0

    @property
    def left(self) -> float:
        return self._deadline - self._clock()

    async def round(self, call: Call) -> Reply | None:
        """Ask every upstream that may be asked now, until one answers."""
        for client in tuple(self._clients):
            if client.wait() > 0 or self.left <= 0:
                continue
            if self._asked:
                self._listener.retried(client.name)
            self._asked += 1
            try:
                return await client.complete(call, self.left)
            except CallFailed as failure:
                self._failures[client.name] = failure.message
                if not failure.again:
                    self._clients.remove(client)
        return None

    async def rest(self, pause: float, longest: float) -> bool:
        """Wait before the next round; false when there is nobody left to ask, or no time.

        Only what upstreams asked for is waited for, and not beyond ``longest``: a breaker stays open longer than one
        request should wait.
        """
        waits = [client.pause() for client in self._clients if not client.is_open]
        if not waits or min(waits) > longest:
            return False
        # Everybody who waits for the same moment must not come back in the same moment.
        wait = min(waits) + pause if min(waits) > 0 else pause
        if wait >= self.left:
            return False
        await asyncio.sleep(wait)
        return True

    def failure(self, longest: float) -> TierUnavailable:
        """Why there is no answer; ``longest`` is what a pause may last."""
        waits = [client.wait() for client in self._clients]
        for client in self._clients:
            if client.is_open:
                self._failures.setdefault(client.name, f"{client.name} has kept failing and is left alone")
            elif client.pause() > 0:
                self._failures.setdefault(client.name, f"{client.name} asked to be left alone")
        said = "; ".join(self._failures.values()) or "no time was left"
        detail = OUT if self._nobody_left(longest) else None
        return TierUnavailable(f"large: {said}", detail=detail, retry_after=min(waits, default=0.0) or None)

    def _nobody_left(self, longest: float) -> bool:
        """Whether another question would not be asked of anybody either, nor wait to be."""
        pauses = [client.pause() for client in self._all if not client.is_open]
        return all(client.wait() > 0 for client in self._all) and (not pauses or min(pauses) > longest)
