"""Model tiers in the inference process, over HTTP on a Unix domain socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from gateway.cancellation import cancelled_once
from gateway.document import Document, TierName, TierOutput
from gateway.errors import TierUnavailable
from gateway.inference import wire
from gateway.inference.base import OUT, TierStatus
from gateway.inference.batching import FULL
from gateway.shared.queues import QueueBoard
from gateway.telemetry.logs import TRACE_PARENT

#: A host name is needed to write a URL; the socket is what is connected to.
_BASE = "http://inference"
_STATUS_SECONDS = 5.0
#: For how long a queue that is seen to be full is taken to be. What it says then is looked up again.
_FULL_SECONDS = 0.05
#: The process itself refuses what it cannot do by the deadline; this much later it counts as stuck.
_GRACE_SECONDS = 1.0


def board_path(socket_path: Path) -> Path:
    """Where the inference process that listens on a socket shows how full its queues are."""
    return socket_path.with_name(f"{socket_path.name}.queues")


class RemoteInference:
    """Asks the inference process (see :class:`gateway.inference.base.Inference`). For one event loop.

    It follows that process: when it is started again, it answers again, and every answer tells the epoch of its models.

    Args:
        socket_path: where the inference process listens.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, socket_path: Path, *, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._epoch: str | None = None
        self._board_path = board_path(socket_path)
        self._board: QueueBoard | None = None
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                uds=str(socket_path), limits=httpx.Limits(max_connections=None, max_keepalive_connections=64)
            ),
            base_url=_BASE,
            timeout=timeout,
        )

    @property
    def epoch(self) -> str | None:
        """See :attr:`gateway.inference.base.Inference.epoch`."""
        return self._epoch

    async def wait(self, seconds: float) -> None:
        """Wait until the process answers.

        Raises:
            TierUnavailable: it has not within ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                await self._get(wire.HEALTH_PATH)
            except TierUnavailable:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                return

    async def status(self, task: str) -> Mapping[TierName, TierStatus]:
        """See :meth:`gateway.inference.base.Inference.status`.

        Raises:
            TierUnavailable: the process does not answer.
        """
        raw = await self._get(wire.STATUS_PATH.format(task=task))
        try:
            return wire.status_from_json(raw)
        except (KeyError, TypeError, AttributeError) as error:
            raise TierUnavailable("the inference process gave a malformed answer") from error

    async def propose(
        self,
        task: str,
        tier: TierName,
        documents: Sequence[Document],
        fields: Sequence[str],
        *,
        deadline: float | None = None,
        version: str | None = None,
        most_before: int | None = None,
    ) -> list[TierOutput]:
        """See :meth:`gateway.inference.base.Inference.propose`.

        Raises:
            TierUnavailable: the process does not answer, or the tier is not there, is busy, of another version, or
                failed.
        """
        self._refuse_while_full(tier)
        # Escaped to ASCII, any text a document can hold passes.
        body = json.dumps(wire.call_json(wire.Call(documents, fields, deadline, version, most_before))).encode("ascii")
        timeout = self._timeout if deadline is None else min(self._timeout, max(0.0, deadline) + _GRACE_SECONDS)
        raw = await self._send("POST", wire.PROPOSE_PATH.format(task=task, tier=tier), timeout, content=body)
        try:
            return [wire.output_from_json(output) for output in raw["outputs"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TierUnavailable("the inference process gave a malformed answer") from error

    def full_for(self, tier: TierName) -> float:
        """See :meth:`gateway.inference.base.Inference.full_for`. What the process shows is looked at: under overload
        the cores that are short are not spent on asking."""
        if self._board is None:
            if not self._board_path.exists():  # it is made before the process answers for the first time
                return 0.0
            self._board = QueueBoard(self._board_path)
        return _FULL_SECONDS if self._board.is_full(tier) else 0.0

    def _refuse_while_full(self, tier: TierName) -> None:
        if (seconds := self.full_for(tier)) > 0:
            raise TierUnavailable(f"{tier} is busy: its queue is full", detail=FULL, retry_after=seconds)

    async def close(self) -> None:
        """Close the connections."""
        if self._board is not None:
            self._board.close()
            self._board = None
        await self._client.aclose()

    async def _get(self, path: str) -> Any:
        return await self._send("GET", path, _STATUS_SECONDS)

    async def _send(self, method: str, path: str, timeout: float, content: bytes | None = None) -> Any:
        try:
            trace = TRACE_PARENT.get()
            headers = None if trace is None else {wire.TRACE_HEADER: trace}
            response = await cancelled_once(
                self._client.request(method, path, content=content, timeout=timeout, headers=headers)
            )
            answer = response.json()
        except httpx.TimeoutException as error:
            raise TierUnavailable(f"the inference process did not answer within {timeout:g} s") from error
        except httpx.ConnectError as error:
            message = f"the inference process does not answer ({type(error).__name__})"
            raise TierUnavailable(message, detail=OUT) from error
        except (httpx.HTTPError, ValueError) as error:
            raise TierUnavailable(f"the inference process does not answer ({type(error).__name__})") from error
        self._epoch = response.headers.get(wire.EPOCH_HEADER, self._epoch)
        if response.is_success:
            return answer
        detail = None
        try:
            message, detail = str(answer["error"]["message"]), answer["error"].get("detail")
        except (KeyError, TypeError, AttributeError):
            message = f"the inference process answered with status {response.status_code}"
        raise TierUnavailable(message, detail=detail, retry_after=_seconds(response.headers.get(wire.RETRY_HEADER)))


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:
        return None
