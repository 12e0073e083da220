"""JSON responses that can carry any text a request can."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from gateway.errors import CascadeError

_JSON = (b"content-type", b"application/json")


def encode_json(content: Any) -> bytes:
    """JSON in UTF-8. Lone surrogates, which UTF-8 cannot hold, are written as JSON escapes.

    Raises:
        ValueError: a number is not finite and ``content`` holds what only the standard library can write.
    """
    try:
        return orjson.dumps(content)
    except TypeError:  # half of a surrogate pair, a number beyond 64 bits, or a key that is no text
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


class UnicodeResponse(JSONResponse):
    """A response of :func:`encode_json`."""

    def render(self, content: Any) -> bytes:
        return encode_json(content)


class EncodedResponse:
    """An answer (ASGI application) whose JSON is written already; as lean as can be, for the one path that counts."""

    __slots__ = ("_body", "_headers")

    def __init__(self, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._body = body
        self._headers = headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        length = (b"content-length", b"%d" % len(self._body))
        await send({"type": "http.response.start", "status": 200, "headers": [length, _JSON, *self._headers]})
        await send({"type": "http.response.body", "body": self._body})


def error_response(error: CascadeError, headers: dict[str, str] | None = None) -> UnicodeResponse:
    """The one error shape, with the error's status and, where it helps to ask again, ``Retry-After``."""
    return UnicodeResponse(
        error.as_json(), status_code=error.status, headers={**error_headers(error), **(headers or {})}
    )


def error_headers(error: CascadeError) -> dict[str, str]:
    """The headers that belong to an error."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers
