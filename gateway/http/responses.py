"""JSON responses that can carry any text a request can."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

from gateway.errors import CascadeError


class UnicodeResponse(JSONResponse):
    """JSON in UTF-8. Lone surrogates, which UTF-8 cannot hold, are written as JSON escapes."""

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def error_response(error: CascadeError, headers: dict[str, str] | None = None) -> UnicodeResponse:
    """The one error shape, with the error's status."""
    return UnicodeResponse(error.as_json(), status_code=error.status, headers=headers)
