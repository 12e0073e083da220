"""Spans of a trace, as the code that is traced sees them. Nothing here needs OpenTelemetry.

A request that is traced carries its tracer and the span it is in with it (:data:`TRACER`,
:data:`gateway.telemetry.logs.TRACE_PARENT`), so that whoever works for it can add spans of its own. A request that is
not has no tracer, and what asks for a span gets :data:`NOTHING`.
"""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Literal, Protocol

from gateway.errors import ConfigurationError
from gateway.settings import Settings

#: What an attribute's value may be.
Value = str | int | float | bool | list[str]
Kind = Literal["internal", "server", "client"]


class Span(Protocol):
    """A piece of work under way."""

    def set(self, **attributes: Value) -> None:
        """Add attributes, each under ``cascade.``."""
        ...


class Tracer(Protocol):
    """Makes spans of one process and sends them away."""

    def span(self, name: str, kind: Kind = "internal", **attributes: Value) -> AbstractContextManager[Span]:
        """A span around a block, below the span the request is in; within the block the request is in this one."""
        ...

    def request(self) -> AbstractContextManager[Span]:
        """The span of a whole request, below the caller's where it sent one. The request stays in it."""
        ...

    def past(self, name: str, parent: str, began: int, ended: int, **attributes: Value) -> None:
        """A span of work that is over, below ``parent`` (a ``traceparent``); times are nanoseconds since 1970."""
        ...

    def close(self) -> None:
        """Send what is left, and end."""
        ...


#: The tracer of the request being answered, if it is traced.
TRACER: ContextVar[Tracer | None] = ContextVar("tracer", default=None)
NOTHING: AbstractContextManager[None] = nullcontext()


def traced(name: str, detail: str, kind: Kind = "internal") -> AbstractContextManager[Span | None]:
    """A span ``name detail`` around a block, where the request is traced."""
    tracer = TRACER.get()
    return NOTHING if tracer is None else tracer.span(f"{name} {detail}", kind, **{name: detail})


def open_tracer(settings: Settings, process: str) -> Tracer | None:
    """The tracer of a process; ``None`` where nothing is traced.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    if settings.traces == "off":
        return None
    check_installed(settings)
    from gateway.telemetry.tracing import OtlpTracer

    return OtlpTracer(process)


def check_installed(settings: Settings) -> None:
    """Raise ConfigurationError where traces are wanted and cannot be made."""
    if settings.traces == "off":
        return
    for package in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:  # of a parent package
            found = None
        if found is None:
            raise ConfigurationError("CASCADE_TRACES=otlp needs OpenTelemetry: pip install 'cascade-gateway[otel]'")
