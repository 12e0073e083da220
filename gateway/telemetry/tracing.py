"""Spans through OpenTelemetry. Imported only where requests are traced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway import __version__
from gateway.telemetry.logs import TRACE_PARENT
from gateway.telemetry.spans import Kind, Value

_KINDS: dict[Kind, SpanKind] = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_SERVICE = "cascade-gateway"


class OtelSpan:
    """A :class:`gateway.telemetry.spans.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, **attributes: Value) -> None:
        """See :meth:`gateway.telemetry.spans.Span.set`."""
        self._span.set_attributes(_attributes(attributes))


class OtelTracer:
    """A :class:`gateway.telemetry.spans.Tracer` on any provider of the SDK."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE, __version__)

    @contextmanager
    def span(self, name: str, kind: Kind = "internal", **attributes: Value) -> Iterator[OtelSpan]:
        """See :meth:`gateway.telemetry.spans.Tracer.span`."""
        with self._started(name, kind, attributes) as span:
            token = TRACE_PARENT.set(_written(span.get_span_context()))
            try:
                yield OtelSpan(span)
            finally:
                TRACE_PARENT.reset(token)

    @contextmanager
    def request(self) -> Iterator[OtelSpan]:
        """See :meth:`gateway.telemetry.spans.Tracer.request`."""
        with self._started("extract", "server", {}) as span:
            # No reset: the request's log line, written later, shall name the trace too.
            TRACE_PARENT.set(_written(span.get_span_context()))
            yield OtelSpan(span)

    @contextmanager
    def _started(self, name: str, kind: Kind, attributes: dict[str, Value]) -> Iterator[trace.Span]:
        span = self._tracer.start_span(
            name, _context(TRACE_PARENT.get()), kind=_KINDS[kind], attributes=_attributes(attributes)
        )
        try:
            yield span
        except BaseException as error:
            # Its message may quote the document.
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()

    def past(self, name: str, parent: str, began: int, ended: int, **attributes: Value) -> None:
        """See :meth:`gateway.telemetry.spans.Tracer.past`."""
        span = self._tracer.start_span(name, _context(parent), attributes=_attributes(attributes), start_time=began)
        span.end(ended)

    def close(self) -> None:
        """See :meth:`gateway.telemetry.spans.Tracer.close`."""
        self._provider.shutdown()


class OtlpTracer(OtelTracer):
    """Sends spans over OTLP and HTTP, in batches and from a thread of its own, as the variables ``OTEL_*`` say.

    Args:
        process: what the process does in the service: ``worker`` or ``inference``.
    """

    def __init__(self, process: str) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME", _SERVICE)
        known = {"service.name": name, "service.version": __version__, "cascade.process": process}
        provider = TracerProvider(resource=Resource.create(known))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        super().__init__(provider)


def _attributes(attributes: dict[str, Value]) -> dict[str, Value]:
    return {f"cascade.{name}": value for name, value in attributes.items()}


def _context(parent: str | None) -> Context:
    """A context whose current span is ``parent``; an empty one begins a trace."""
    if parent is None:
        return Context()
    _, trace_id, span_id, flags = parent.split("-")
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


def _written(context: SpanContext) -> str:
    """As W3C Trace Context writes it."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
