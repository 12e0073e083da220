"""Reading a request's body within limits, and as JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from gateway.errors import BodyTooLarge, InvalidJson, RequestTimeout, UnsupportedEncoding

#: How deep arrays and objects may lie in each other; the requests there are need five.
MAX_DEPTH = 32
#: Most arrays and objects in one body, or line of a batch. A document with a box and a polygon for each of 10,000 lines
#: has 70,000. Millions of empty ones fit into a batch's bytes, and would take the event loop seconds and a gigabyte.
MOST_CONTAINERS = 200_000
#: Set in a request's state once its body has come in to the end, and once it has been read to the end.
BODY_ARRIVED, BODY_READ = "body_arrived", "body_read"
#: A body this small is passed over, and the connection kept; it is on its way already.
_PASSED_OVER_BYTES = 64 * 1024


async def read_body(scope: Scope, receive: Receive, limit: int, timeout: float) -> bytes:
    """The body, whether its length was declared or not; never more than ``limit`` bytes are kept.

    Args:
        scope: of the request whose body nobody has read yet.
        receive: ASGI's.
        limit: bytes.
        timeout: seconds until the whole body must be there.

    Raises:
        BodyTooLarge: it is longer than ``limit`` bytes. The rest is left unread.
        RequestTimeout: it did not arrive in time.
        UnsupportedEncoding: it is compressed.
        ClientDisconnect: the client left meanwhile.
    """
    _check_headers(scope["headers"], limit)
    if scope["state"].get(BODY_ARRIVED):  # most are: reading then never waits
        body = await _read(receive, limit)
    else:
        expiry = asyncio.timeout(timeout)
        try:
            async with expiry:
                body = await _read(receive, limit)
        except TimeoutError as error:
            if not expiry.expired():
                raise
            seconds = {"seconds": timeout}
            raise RequestTimeout(f"the body did not arrive within {timeout:g} s", detail=seconds) from error
    scope["state"][BODY_READ] = True
    return body


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def is_small(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request's body is small enough to be passed over unread, and will come without being asked for."""
    length = b"0"
    for name, value in headers:
        if name in (b"transfer-encoding", b"expect"):
            return False
        if name == b"content-length":
            length = value
    return length.isdigit() and len(length) < 8 and int(length) <= _PASSED_OVER_BYTES


def _check_headers(headers: list[tuple[bytes, bytes]], limit: int) -> None:
    for name, value in headers:
        if name == b"content-length":
            if value.isdigit() and (len(value) > 18 or int(value) > limit):
                raise _too_large(limit)
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise UnsupportedEncoding("send the body plain, without Content-Encoding")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes", detail={"limit": limit})


def parse_json(body: bytes, what: str = "the body") -> Any:
    """The JSON value of ``body``, which messages call ``what``.

    ``NaN``, ``Infinity`` and halves of surrogate pairs, which are not JSON, pass here and are refused where a value is
    checked, with the key they stand under.

    Raises:
        InvalidJson: with the place where it stops being JSON, or because it is nested deeper than :data:`MAX_DEPTH` or
            has more than :data:`MOST_CONTAINERS` arrays and objects.
    """
    brackets = _brackets(body)
    if brackets > MOST_CONTAINERS and _brackets(_outside_strings(body)) > MOST_CONTAINERS:
        raise InvalidJson(f"{what} has more than {MOST_CONTAINERS} arrays and objects")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _parse_leniently(body, what)
    if brackets > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise InvalidJson(f"{what} has arrays or objects nested more than {MAX_DEPTH} deep")
    return value


def _brackets(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def _outside_strings(body: bytes) -> bytes:
    """JSON without what its strings hold."""
    return b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])


def _parse_leniently(body: bytes, what: str) -> Any:
    try:
        # A byte order mark, which some programs put before UTF-8, is passed over.
        return json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidJson(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"{what} is not JSON that can be read: a number is too long, or nesting too deep") from error


def _deeper(value: Any, limit: int) -> bool:
    """Whether containers lie more than ``limit`` deep in each other."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
