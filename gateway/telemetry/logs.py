"""Structured logs: one JSON object a line on standard error, with the request's id and never a document's text.

Lines are written by a thread, some together, within :data:`WRITE_SECONDS`; a warning is written at once, with all lines
before it. A process that is killed loses what it has not written.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO

import orjson

#: The id of the request being answered, for every line logged meanwhile.
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
#: The W3C ``traceparent`` the request came with, checked; what is asked of others on its behalf carries it on.
TRACE_PARENT: ContextVar[str | None] = ContextVar("trace_parent", default=None)
#: Key of a log call's ``extra`` whose mapping becomes fields of the line.
FACTS = "facts"
_MESSAGE_LIMIT = 2000
_ENCODER = json.JSONEncoder(default=str)
#: How long a line may wait until it is written, and how many lines may.
WRITE_SECONDS = 0.05
_MOST_LINES = 1000
#: Characters written at once, unless a single line is longer: other processes write to the same pipe, and no more than
#: this (4096 bytes) goes into it undivided.
_TOGETHER = 4000


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
        self._second = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        second, text = self._second
        if second != int(record.created):
            second = int(record.created)
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)
        line: dict[str, Any] = {
            "time": f"{text}.{int(record.msecs):03d}Z",
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
        try:
            return orjson.dumps(line, default=str).decode("utf-8")
        except TypeError:  # half of a surrogate pair, or a number beyond 64 bits
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


class LineHandler(logging.Handler):
    """Writes lines to ``stream``, some together (see the module's docstring)."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        self._waiting = threading.Event()
        self._writer: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """See :class:`logging.Handler`; the caller holds the handler's lock."""
        try:
            self._lines.append(self.format(record))
            if record.levelno >= logging.WARNING or len(self._lines) >= _MOST_LINES:
                self.flush()
            elif len(self._lines) == 1:
                self._write_soon()
        except Exception:  # noqa: BLE001 - the standard library's way: a log must not break what it tells of
            self.handleError(record)

    def _write_soon(self) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="log", daemon=True)
            self._writer.start()
        self._waiting.set()

    def _write(self) -> None:
        while True:
            self._waiting.wait()
            time.sleep(WRITE_SECONDS)
            self._waiting.clear()
            self.flush()

    def flush(self) -> None:
        """Write all lines there are."""
        with self.lock:  # type: ignore[union-attr]
            lines, self._lines = self._lines, []
            part: list[str] = []
            size = 0
            for line in lines:
                if part and size + len(line) > _TOGETHER:
                    self._put(part)
                    part, size = [], 0
                part.append(line)
                size += len(line) + 1
            if part:
                self._put(part)

    def _put(self, lines: list[str]) -> None:
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send this process's logs to ``stream`` (standard error), from ``level`` (``debug`` … ``error``) on."""
    # A line says neither which thread nor which source line it comes from; finding out costs as much as all the rest.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as the logging documentation advises
    handler = LineHandler(stream or sys.stderr)
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
