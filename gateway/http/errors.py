"""Every failure becomes the one error shape, whoever noticed it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import CascadeError, InputError, InvalidRequest, MethodNotAllowed, NotFound
from gateway.http.responses import error_response

_PROBLEMS_SHOWN = 10
_PART_LIMIT = 100
_TYPE = re.compile(r"(?:function-after|list|dict|constrained-\w+)\[.*\]", re.DOTALL)


def invalid_request(problems: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """An error that names each wrong key and what is wrong with it, from pydantic's list; values are not repeated."""
    found = [
        {"key": ".".join(_parts(problem["loc"])), "problem": _problem(problem)}
        for problem in problems[:_PROBLEMS_SHOWN]
    ]
    first = found[0]
    where = f"{first['key']}: " if first["key"] else ""
    return InvalidRequest(f"{where}{first['problem']}", detail={"problems": found})


def _parts(place: Sequence[str | int]) -> list[str]:
    """A place without pydantic's own names for the types that were tried there."""
    return [str(part)[:_PART_LIMIT] for part in place if not _TYPE.fullmatch(str(part))]


def _problem(problem: Mapping[str, Any]) -> str:
    kind, message = problem["type"], str(problem["msg"])
    if kind == "extra_forbidden":
        return "there is no such key"
    if kind == "missing":
        return "this key is required"
    if kind == "string_unicode":
        return "holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "expected a JSON object"
    return message.removeprefix("Value error, ")


def install_error_handlers(app: FastAPI) -> None:
    """Answer the gateway's and the framework's errors in one shape."""

    async def known(_request: Request, error: Exception) -> Response:
        assert isinstance(error, CascadeError)
        return error_response(error)

    async def malformed(_request: Request, error: Exception) -> Response:
        assert isinstance(error, (RequestValidationError, ValidationError))
        return error_response(invalid_request(error.errors()))

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers) if error.headers else None
        if error.status_code == 404:
            return error_response(
                NotFound(f"there is nothing at {request.url.path[:200]!r}; /docs lists what there is")
            )
        if error.status_code == 405:
            allowed = (headers or {}).get("Allow", "another method")
            return error_response(MethodNotAllowed(f"this path takes {allowed}, not {request.method[:20]}"), headers)
        if error.status_code < 500:
            response = error_response(InputError("the request cannot be read"), headers)
            response.status_code = error.status_code
            return response
        return error_response(CascadeError("internal error"), headers)

    app.add_exception_handler(CascadeError, known)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, framework)
