from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

pytest.importorskip("opentelemetry.sdk", reason="needs OpenTelemetry: pip install 'cascade-gateway[otel]'")
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.telemetry.logs import TRACE_PARENT
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.spans import NOTHING, check_installed, open_tracer, traced
from gateway.telemetry.tracing import OtelTracer

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def metrics(exporter: InMemorySpanExporter) -> Metrics:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Metrics(CollectorRegistry(), tracer=OtelTracer(provider))


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def request(metrics: Metrics, caller: str | None = None) -> str | None:
    """One request with a tier that asks an upstream; the trace parent its log line would name."""

    async def main() -> str | None:
        TRACE_PARENT.set(caller)
        with metrics.request() as record:
            record.task, record.status = "bills", "review"
            with traced("tier", "large"), traced("upstream", "own", "client"):
                pass
        return TRACE_PARENT.get()

    return asyncio.run(main())


def test_spans_lie_in_each_other_below_the_caller_s(metrics: Metrics, exporter: InMemorySpanExporter) -> None:
    request(metrics, CALLER)
    found = spans(exporter)
    chain = [found["extract"], found["tier large"], found["upstream own"]]
    assert [span.kind for span in chain] == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT]
    parents = [span.parent.span_id for span in chain if span.parent is not None]
    assert parents == [0xB7AD6B7169203331, *(span.context.span_id for span in chain[:-1])]
    assert {span.context.trace_id for span in chain} == {0x0AF7651916CD43DD8448EB211C80319C}
    assert chain[0].attributes == {"cascade.task": "bills", "cascade.status": "review"}
    assert chain[1].attributes == {"cascade.tier": "large"}


def test_a_request_without_a_caller_begins_a_trace_that_its_log_line_names(
    metrics: Metrics, exporter: InMemorySpanExporter
) -> None:
    logged = request(metrics)
    root = spans(exporter)["extract"]
    assert root.parent is None
    assert logged is not None
    assert logged[:-2] == f"00-{root.context.trace_id:032x}-{root.context.span_id:016x}-"
    assert int(logged[-2:], 16) & 1, "it is sampled"


def test_what_the_caller_does_not_sample_is_not_recorded_and_passed_on_as_such(
    metrics: Metrics, exporter: InMemorySpanExporter
) -> None:
    logged = request(metrics, CALLER[:-1] + "0")
    assert exporter.get_finished_spans() == ()
    assert logged is not None
    assert logged.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert logged.endswith("-00")


def test_a_failure_is_marked_without_its_message(metrics: Metrics, exporter: InMemorySpanExporter) -> None:
    async def fail() -> None:
        with metrics.request():
            raise ValueError("TOTAL 9.00")

    with pytest.raises(ValueError, match=r"TOTAL 9\.00"):
        asyncio.run(fail())
    [span] = exporter.get_finished_spans()
    assert span.status.status_code == StatusCode.ERROR
    assert span.status.description == "ValueError"
    assert "9.00" not in span.to_json()


def test_where_nothing_is_traced_a_span_is_nothing() -> None:
    assert traced("tier", "rules") is NOTHING
    assert open_tracer(Settings.read(traces="off"), "worker") is None


def test_tracing_without_opentelemetry_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    check_installed(Settings.read(traces="off"))
    with pytest.raises(ConfigurationError, match=r"cascade-gateway\[otel\]"):
        check_installed(Settings.read(traces="otlp"))


def test_the_gateway_runs_without_opentelemetry() -> None:
    code = (
        "import sys, gateway.http.serving, gateway.inference.process, gateway.cli.main;"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
