"""A request's trace through real processes: HTTP worker, inference process, and somebody else's large model."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.home import Home
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.tiers.forms import Forms
from gateway.tiers.loading import load_model_tiers
from gateway.tiers.rules.tier import RulesTier
from gateway.tiers.student import load_student
from tests.gateway.tiers.large.remote.faulty import FaultyServer, fields

pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http", reason="needs OpenTelemetry: pip install 'cascade-gateway[otel]'"
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TASK = "task: bills\nquality: 0.9\nfields:\n  shop: {type: text}\n  total: {type: money}\n  cashier: {type: text}\n"
TEXT = "MUTIARA LTD\nTOTAL 9.00\nSERVED BY MEI"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes spans over OTLP and HTTP."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, sent: ExportTraceServiceRequest) -> None:
        for resource in sent.resource_spans:
            known = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(known["cascade.process"], span) for span in scope.spans]

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as collector:
        monkeypatch.setenv("CASCADE_TRACES", "otlp")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield collector


@pytest.fixture
def upstream() -> Iterator[FaultyServer]:
    with FaultyServer(fields(cashier="MEI")) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, tiny_home: Home, upstream: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Rules find the total, the student the shop, and a remote large tier the cashier."""
    monkeypatch.delenv("CASCADE_UPSTREAMS", raising=False)
    path = tmp_path / "home"
    shutil.copytree(tiny_home.path, path)
    large = path / "models" / "bills" / "large"
    large.mkdir()
    (path / "rules" / "bills" / "task.yaml").write_text(TASK)
    described = {"name": "own", "base_url": upstream.url, "model": "tiny"}
    (path / "upstreams.yaml").write_text(yaml.safe_dump({"upstreams": [described]}))
    (large / "remote.yaml").write_text(yaml.safe_dump({"upstreams": ["own"], "confidence": {"source": "prior"}}))
    home = Home(path)
    task = home.task("bills")
    tier, status = load_model_tiers(home, task)["large"]
    tier.close()  # type: ignore[union-attr]
    threshold = Threshold(0.3, True, 90, 1, 100, 0.05)
    Policy(
        "bills",
        thresholds={chain_name(chain): {name: {0.9: threshold} for name in task.fields} for chain in all_chains()},
        versions={
            "rules": dict(RulesTier.load(home.rules, task).field_versions),
            "student": load_student(home.models / "bills" / "student", task, Forms()).version,
            "large": status.version,
        },
    ).save(home.models / "bills" / "policy.json")
    return home


@pytest.mark.parametrize("flags", [(), ("--workers", "2")])
def test_a_trace_goes_from_the_caller_through_all_processes_to_the_upstream(
    start: Any,
    home: Home,
    collector: Collector,
    upstream: FaultyServer,
    eventually: Callable[..., None],
    flags: tuple[str, ...],
) -> None:
    service = start(home, *flags)
    with service.client() as client:
        answer = client.post(
            "/v1/extract",
            json={"task": "bills", "text": TEXT},
            headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
        ).json()
    assert answer["tiers"] == ["rules", "student", "large"], answer
    names = {"extract", "tier rules", "tier student", "batch student", "tier large", "upstream own"}
    eventually(lambda: {span.name for _, span in collector.spans} >= names)
    assert len(collector.spans) == len(names)
    found = {span.name: span for _, span in collector.spans}
    assert {span.trace_id.hex() for span in found.values()} == {TRACE}
    parents = {name: span.parent_span_id.hex() for name, span in found.items()}
    ids = {name: span.span_id.hex() for name, span in found.items()}
    assert parents == {
        "extract": CALLER,
        "tier rules": ids["extract"],
        "tier student": ids["extract"],
        "batch student": ids["tier student"],
        "tier large": ids["extract"],
        "upstream own": ids["tier large"],
    }
    where = {span.name: process for process, span in collector.spans}
    models = "inference" if flags else "worker"
    assert where == {name: models if name.startswith(("batch", "upstream")) else "worker" for name in names}
    batch = found["batch student"]
    assert found["tier student"].start_time_unix_nano <= batch.start_time_unix_nano < batch.end_time_unix_nano
    sent = {item.key: item.value for item in found["extract"].attributes}
    assert sent["cascade.task"].string_value == "bills"
    assert sent["cascade.cost"].double_value == pytest.approx(answer["cost"]["amount"])
    # What the upstream is told is the span it was called in; and no span holds what the document says.
    assert upstream.received[0].headers["traceparent"] == f"00-{TRACE}-{ids['upstream own']}-01"
    assert not any("MUTIARA" in str(span) for span in found.values())
