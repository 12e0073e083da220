"""Structured logs: one JSON object a line on standard error, with the request's id and never a document's text."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO

#: The id of the request being answered, for every line logged meanwhile.
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
#: The W3C ``traceparent`` the request came with, checked; what is asked of others on its behalf carries it on.
TRACE_PARENT: ContextVar[str | None] = ContextVar("trace_parent", default=None)
#: Key of a log call's ``extra`` whose mapping becomes fields of the line.
FACTS = "facts"
_MESSAGE_LIMIT = 2000
_ENCODER = json.JSONEncoder(default=str)


def facts(**values: Any) -> dict[str, dict[str, Any]]:
    """``extra`` for a log call: ``log.info("request", extra=facts(status=200))``; ``None`` is left out."""
    return {FACTS: {name: value for name, value in values.items() if value is not None}}


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message", "request_id"?, "trace_id"?, …facts, "error"?}``.

    An exception is logged with its type and where it came from. Its message is left out unless ``messages`` is set:
    the message of an unexpected exception may quote the text it choked on.
    """

    def __init__(self, *, messages: bool = False) -> None:
        super().__init__()
        self._messages = messages

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_MESSAGE_LIMIT],
        }
        if (identifier := REQUEST_ID.get()) is not None:
            line["request_id"] = identifier
        if (trace := TRACE_PARENT.get()) is not None:
            line["trace_id"] = trace.split("-")[1]
        line.update(getattr(record, FACTS, {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self._error(record.exc_info[1], record.exc_info[2])
        return _ENCODER.encode(line)

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
    # A line says neither which thread nor which source line it comes from; finding out costs as much as all the rest.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as the logging documentation advises
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(messages=level == "debug"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Between the gateway's own processes every request would be logged a second time.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)


def warn_of_documents() -> None:
    """Say, where nobody can overlook it, that the log holds what documents say."""
    logging.getLogger(__name__).warning(
        "CASCADE_LOG_DOCUMENTS IS SET: THE TEXT OF EVERY DOCUMENT IS WRITTEN INTO THIS LOG",
        extra=facts(setting="CASCADE_LOG_DOCUMENTS"),
    )
