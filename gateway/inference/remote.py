"""Model tiers in the inference process, over HTTP on a Unix domain socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from gateway.document import Document, TierName, TierOutput
from gateway.errors import TierUnavailable
from gateway.inference import wire
from gateway.inference.base import TierStatus

#: A host name is needed to write a URL; the socket is what is connected to.
_BASE = "http://inference"
_STATUS_SECONDS = 5.0


class RemoteInference:
    """Asks the inference process (see :class:`gateway.inference.base.Inference`). For one event loop.

    It remembers the versions that :meth:`status` first told: should another model have been loaded since, its answers
    are refused, for nobody has checked them against the policy.

    Args:
        socket_path: where the inference process listens.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, socket_path: Path, *, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._versions: dict[tuple[str, TierName], str | None] = {}
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                uds=str(socket_path), limits=httpx.Limits(max_connections=None, max_keepalive_connections=64)
            ),
            base_url=_BASE,
            timeout=timeout,
        )

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
            statuses = wire.status_from_json(raw)
        except (KeyError, TypeError, AttributeError) as error:
            raise TierUnavailable("the inference process gave a malformed answer") from error
        for tier, status in statuses.items():
            self._versions.setdefault((task, tier), status.version)
        return statuses

    async def propose(
        self, task: str, tier: TierName, documents: Sequence[Document], fields: Sequence[str]
    ) -> list[TierOutput]:
        """See :meth:`gateway.inference.base.Inference.propose`.

        Raises:
            TierUnavailable: the process does not answer, or the tier is not there, is busy, failed or was replaced.
        """
        # Escaped to ASCII, any text a document can hold passes.
        body = json.dumps(wire.call_json(documents, fields)).encode("ascii")
        raw = await self._send("POST", wire.PROPOSE_PATH.format(task=task, tier=tier), self._timeout, content=body)
        try:
            version = raw["version"]
            outputs = [wire.output_from_json(output) for output in raw["outputs"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TierUnavailable("the inference process gave a malformed answer") from error
        if self._versions.setdefault((task, tier), version) != version:
            raise TierUnavailable(
                f"{tier} was replaced by another model since the service started: restart the service"
            )
        return outputs

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _get(self, path: str) -> Any:
        return await self._send("GET", path, _STATUS_SECONDS)

    async def _send(self, method: str, path: str, timeout: float, content: bytes | None = None) -> Any:
        try:
            response = await self._client.request(method, path, content=content, timeout=timeout)
            answer = response.json()
        except httpx.TimeoutException as error:
            raise TierUnavailable(f"the inference process did not answer within {timeout:g} s") from error
        except (httpx.HTTPError, ValueError) as error:
            raise TierUnavailable(f"the inference process does not answer ({type(error).__name__})") from error
        if response.is_success:
            return answer
        try:
            message = str(answer["error"]["message"])
        except (KeyError, TypeError):
            message = f"the inference process answered with status {response.status_code}"
        raise TierUnavailable(message)
