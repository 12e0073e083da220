"""Structured logs: one JSON object a line on standard error, with the request's id and never a document's text."""

from __future__ import annotations

import datetime
import json
import logging
import sys
import traceback
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO

#: The id of the request being answered, for every line logged meanwhile.
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
#: Key of a log call's ``extra`` whose mapping becomes fields of the line.
FACTS = "facts"
_MESSAGE_LIMIT = 2000


def facts(**values: Any) -> dict[str, dict[str, Any]]:
    """``extra`` for a log call: ``log.info("request", extra=facts(status=200))``; ``None`` is left out."""
    return {FACTS: {name: value for name, value in values.items() if value is not None}}


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message", "request_id"?, …facts, "error"?}``.

    An exception is logged with its type and where it came from. Its message is left out unless ``messages`` is set:
    the message of an unexpected exception may quote the text it choked on.
    """

    def __init__(self, *, messages: bool = False) -> None:
        super().__init__()
        self._messages = messages

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_MESSAGE_LIMIT],
        }
        if (identifier := REQUEST_ID.get()) is not None:
            line["request_id"] = identifier
        line.update(getattr(record, FACTS, {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self._error(record.exc_info[1], record.exc_info[2])
        return json.dumps(line, default=str)

    def _error(self, error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
        frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
        described: dict[str, Any] = {"type": type(error).__name__, "trace": frames}
        if self._messages:
            described["message"] = str(error)[:_MESSAGE_LIMIT]
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            described["cause"] = type(cause).__name__
        return described


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send this process's logs to ``stream`` (standard error), from ``level`` (``debug`` … ``error``) on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(messages=level == "debug"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Between the gateway's own processes every request would be logged a second time.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
