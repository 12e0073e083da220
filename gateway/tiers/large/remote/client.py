"""Calls to one upstream: its connections, its time limits, its breaker, and what each way of failing means."""

from __future__ import annotations

import asyncio
import json
import math
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.cancellation import cancelled_once
from gateway.errors import ModelMissing, UpstreamFileError
from gateway.telemetry.logs import TRACE_PARENT
from gateway.telemetry.spans import traced
from gateway.tiers.large.remote.answer import Completion, Garbled, Usage, Value, parse_completion, read_values
from gateway.tiers.large.remote.breaker import Breaker, Permit
from gateway.tiers.large.remote.capabilities import Call, Capabilities
from gateway.tiers.large.remote.configuration import Tls, Upstream
from gateway.tiers.large.remote.listener import CallOutcome, RemoteListener
from gateway.tiers.large.remote.retry import parse_retry_after

#: How much of a refusal is looked at for what it refuses.
_REFUSAL_BYTES = 16384
#: Failures that say nothing about the upstream's health.
_NEUTRAL: tuple[CallOutcome, ...] = ("busy", "rate-limited")
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")


class CallFailed(Exception):
    """A call gave no completion.

    ``again`` says whether the same call may succeed later, ``retry_after`` in how many seconds the upstream asked to be
    left alone, and ``blame`` whether it counts against the upstream. The message never holds what the server wrote.
    """

    def __init__(
        self,
        outcome: CallOutcome,
        message: str,
        *,
        again: bool,
        retry_after: float | None = None,
        blame: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.again = again
        self.retry_after = retry_after
        self.blame = outcome not in _NEUTRAL if blame is None else blame


@dataclass(frozen=True)
class Reply:
    """A completion with its values by field, and what it cost; ``estimated``: the server did not count the tokens."""

    completion: Completion
    values: Mapping[str, tuple[Value, ...]]
    usage: Usage
    amount: float
    estimated: bool


def secrets_of(upstream: Upstream, environment: Mapping[str, str]) -> dict[str, str]:
    """The headers that hold secrets.

    Raises:
        ModelMissing: a variable is not set, or holds what cannot be sent; its content is not shown.
    """
    wanted = {header: (variable, "") for header, variable in upstream.headers_env.items()}
    if upstream.api_key_env is not None:
        wanted["Authorization"] = (upstream.api_key_env, "Bearer ")
    headers: dict[str, str] = {}
    for header, (variable, prefix) in wanted.items():
        secret = environment.get(variable, "").strip()
        if not secret:
            raise ModelMissing(f"upstream {upstream.name}: the environment variable {variable} is not set")
        if _UNPRINTABLE.search(secret):
            raise ModelMissing(f"upstream {upstream.name}: {variable} holds characters that no header can")
        headers[header] = prefix + secret
    return headers


def _tls(options: Tls, name: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
        if options.client_certificate is not None:
            context.load_cert_chain(options.client_certificate, options.client_key)
    except (OSError, ssl.SSLError) as error:
        raise UpstreamFileError(f"upstream {name}: tls: {error.strerror or 'a file cannot be used'}") from error
    return context


class UpstreamClient:
    """One upstream. For one event loop; every task that names the upstream shares it.

    Raises:
        ModelMissing: a secret is not in the environment. UpstreamFileError: a TLS file cannot be used.
    """

    def __init__(
        self,
        upstream: Upstream,
        environment: Mapping[str, str],
        listener: RemoteListener,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.upstream = upstream
        self._listener = listener
        self._clock = clock
        self._paused_until = 0.0
        self._capabilities = Capabilities.of(upstream.structured)
        self._slots = asyncio.Semaphore(upstream.concurrency)
        self._breaker = Breaker(
            upstream.breaker, clock=clock, on_change=lambda is_open: listener.breaker(upstream.name, is_open)
        )
        listener.breaker(upstream.name, False)
        timeouts = upstream.timeouts
        self._http = httpx.AsyncClient(
            headers={"Accept": "application/json", **secrets_of(upstream, environment)},
            timeout=httpx.Timeout(
                connect=timeouts.connect, read=timeouts.read, write=timeouts.write, pool=timeouts.pool
            ),
            limits=httpx.Limits(
                max_connections=upstream.concurrency,
                max_keepalive_connections=upstream.concurrency,
                keepalive_expiry=30,
            ),
            verify=_tls(upstream.tls, upstream.name) if upstream.base_url.startswith("https:") else True,
            follow_redirects=False,
            trust_env=upstream.proxy_from_environment,
        )

    @property
    def name(self) -> str:
        return self.upstream.name

    def __repr__(self) -> str:
        return f"UpstreamClient({self.name!r})"

    def wait(self) -> float:
        """Seconds until the upstream may be called: 0 when it may now."""
        return max(self._breaker.wait(), self.pause())

    def pause(self) -> float:
        """Seconds until the pause is over that the upstream asked for."""
        return max(0.0, self._paused_until - self._clock())

    @property
    def is_open(self) -> bool:
        """Whether the breaker refuses calls now."""
        return self._breaker.wait() > 0

    async def complete(self, call: Call, seconds: float) -> Reply:
        """One reply, within ``seconds`` and the upstream's own limits.

        Raises:
            CallFailed: there is none.
        """
        permit = self._breaker.permit()
        if permit is None:
            message = f"{self.name} has kept failing and is left alone"
            raise CallFailed("busy", message, again=True, retry_after=self._breaker.wait())
        started = self._clock()
        outcome: CallOutcome = "unfinished"
        blame: bool | None = None
        try:
            with traced("upstream", self.name, "client"):
                reply = await self._in_time(call, seconds)
            outcome = "ok"
            return reply
        except CallFailed as failure:
            outcome, blame = failure.outcome, failure.blame
            if failure.retry_after is not None:
                self._paused_until = max(self._paused_until, self._clock() + failure.retry_after)
            raise
        finally:
            taken = self._clock() - started
            if outcome == "unfinished":
                # Nobody waited any longer: that counts against the upstream only when it had time enough.
                blame = taken >= self.upstream.breaker.slow
            _settle(permit, outcome, blame)
            self._listener.called(self.name, outcome, taken)

    async def _in_time(self, call: Call, seconds: float) -> Reply:
        limit = min(seconds, self.upstream.timeouts.total)
        try:
            async with asyncio.timeout(limit):
                await self._acquire()
                try:
                    return await cancelled_once(self._negotiate(call))
                finally:
                    self._slots.release()
        except TimeoutError as error:
            if limit < self.upstream.timeouts.total:
                slow = limit >= self.upstream.breaker.slow
                message = f"{self.name} did not answer within the {limit:.1f} s there were"
                raise CallFailed("unfinished", message, again=False, blame=slow) from error
            raise CallFailed("timeout", f"{self.name} did not answer within {limit:g} s", again=True) from error

    async def _acquire(self) -> None:
        try:
            async with asyncio.timeout(self.upstream.timeouts.pool):
                await self._slots.acquire()
        except TimeoutError as error:
            message = f"{self.name} has {self.upstream.concurrency} calls under way"
            raise CallFailed("busy", message, again=True) from error

    async def _negotiate(self, call: Call) -> Reply:
        """The reply in the strongest dialect the server takes."""
        dialect = self._capabilities
        while True:
            status, headers, body = await self._post(dialect.body(call, self.upstream.model))
            if 200 <= status < 300:
                # Learnt from success alone: a server in trouble refuses anything.
                self._capabilities = dialect
                return self._reply(call, body)
            weaker = dialect.weaker(status, body[:_REFUSAL_BYTES].decode("utf-8", "replace"))
            if weaker is None:
                raise self._refusal(status, headers)
            dialect = weaker

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        content = json.dumps(body).encode("ascii")
        url = f"{self.upstream.base_url}/chat/completions"
        headers = {"Content-Type": "application/json"}
        if (trace := TRACE_PARENT.get()) is not None:
            headers["traceparent"] = trace
        try:
            async with self._http.stream("POST", url, content=content, headers=headers) as response:
                return response.status_code, response.headers, await self._read(response)
        except httpx.TimeoutException as error:
            raise CallFailed("timeout", f"{self.name} did not answer in time", again=True) from error
        except httpx.ConnectError as error:
            raise CallFailed("connect", f"{self.name} cannot be reached", again=True) from error
        except httpx.HTTPError as error:
            message = f"the connection to {self.name} broke ({type(error).__name__})"
            raise CallFailed("broken", message, again=True) from error

    async def _read(self, response: httpx.Response) -> bytes:
        most = self.upstream.max_response_bytes
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > most:
                raise CallFailed("garbled", f"{self.name} answered more than {most} bytes", again=False)
            parts.append(part)
        return b"".join(parts)

    def _refusal(self, status: int, headers: httpx.Headers) -> CallFailed:
        message = f"{self.name} answered with status {status}"
        retry_after = parse_retry_after(headers.get("retry-after"))
        if status == 429:
            return CallFailed("rate-limited", message, again=True, retry_after=retry_after)
        if status == 408:
            return CallFailed("timeout", message, again=True)
        if status >= 500:
            return CallFailed("server-error", message, again=True, retry_after=retry_after)
        # 400, 413 and 422 are about this document; any other is about who calls what, and every call would meet it.
        return CallFailed("refused", message, again=False, blame=status not in (400, 413, 422))

    def _reply(self, call: Call, body: bytes) -> Reply:
        try:
            completion = parse_completion(body)
        except Garbled as error:
            raise CallFailed("garbled", f"{self.name} answered nothing that can be read", again=True) from error
        usage, prices = completion.usage, self.upstream.prices
        counted = usage or _estimate(call, completion)
        amount = prices.amount(counted.prompt_tokens, counted.completion_tokens)
        self._listener.billed(self.name, counted.prompt_tokens, counted.completion_tokens, amount, prices.currency)
        values = read_values(completion.content, call.fields)
        if values is None:
            # The same question would get the same answer.
            raise CallFailed("garbled", f"{self.name} answered without any of the fields", again=False)
        return Reply(completion, values, counted, amount, usage is None)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _estimate(call: Call, completion: Completion) -> Usage:
    prompt = sum(len(message["content"]) for message in call.messages)
    sizes = (prompt, len(completion.content))
    return Usage(*(math.ceil(size / call.characters_per_token) for size in sizes))


def _settle(permit: Permit, outcome: CallOutcome, blame: bool | None) -> None:
    if outcome == "ok":
        permit.succeeded()
    elif blame:
        permit.failed()
    else:
        permit.returned()
