"""Reading a request's body within limits, and as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from gateway.errors import BodyTooLarge, InvalidJson

#: What is read and thrown away of a body that is too large, so that a client that sends everything before it reads
#: gets to see the answer.
_DRAIN_BYTES = 32 * 1024 * 1024
_DRAIN_SECONDS = 2.0


async def read_body(request: Request, limit: int) -> bytes:
    """The body, whether its length was declared or not; never more than ``limit`` bytes are kept.

    Raises:
        BodyTooLarge: it is longer than ``limit`` bytes.
        ClientDisconnect: the client left meanwhile.
    """
    stream = request.stream()
    declared = request.headers.get("content-length", "")
    parts: list[bytes] = []
    size = int(declared) if declared.isdecimal() and len(declared) < 20 else 0
    if size <= limit:
        size = 0
        async for part in stream:
            size += len(part)
            if size > limit:
                break
            parts.append(part)
    if size > limit:
        parts.clear()
        # A client that awaits "100 Continue" has sent nothing yet and need not.
        if "expect" not in request.headers:
            await _drain(stream)
        raise BodyTooLarge(f"the body is larger than {limit} bytes", detail={"limit": limit})
    return b"".join(parts)


async def _drain(stream: AsyncIterator[bytes]) -> None:
    drained = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for part in stream:
                drained += len(part)
                if drained > _DRAIN_BYTES:
                    return


def parse_json(body: bytes) -> Any:
    """The body's JSON value.

    ``NaN`` and ``Infinity``, which are not JSON, pass here and are refused where a number is checked.

    Raises:
        InvalidJson: with the place where it stops being JSON.
    """
    try:
        # A byte order mark, which some programs put before UTF-8, is passed over.
        return json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidJson(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise InvalidJson(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidJson("the body is not JSON that can be read: a number is too long, or nesting too deep") from error
