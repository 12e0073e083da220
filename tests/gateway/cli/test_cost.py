from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from tests.gateway.report.test_figures import SCRAPE

KEY = "a-key"


class Metrics(BaseHTTPRequestHandler):
    """Answers ``/metrics`` to whoever has the key."""

    body = SCRAPE

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == f"Bearer {KEY}" and self.path == "/metrics"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(self.body.encode() if allowed else b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_headline_and_the_tables(url: str) -> None:
    result = CliRunner().invoke(main, ["cost", "--url", url, "--key", KEY])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["requests", "answered", "10"] in lines
    assert ["cost", "of", "a", "million", "requests", "400,000", "USD"] in lines
    assert ["reached", "the", "large", "tier", "(p)", "20.0", "%"] in lines
    assert "only when the machines become fewer" in " ".join(result.output.split())
    assert ["bills", "shop", "0.0", "%", "100.0", "%", "50.0", "%", "50.0", "%"] in lines


def test_json_is_one_object(url: str) -> None:
    result = CliRunner().invoke(main, ["cost", "--url", url, "--key", KEY, "--json"])
    [line] = result.output.splitlines()
    assert json.loads(line)["total"]["money"][0]["saved_share"] == 0.7
    assert '"answered": 10,' in line
    assert '"rejected": 50}' in line


def test_watching_shows_what_happened_since(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt
        Metrics.body = SCRAPE.replace('status="complete"} 6', 'status="complete"} 9')

    monkeypatch.setattr("gateway.cli.cost.time.sleep", wait)
    try:
        result = CliRunner().invoke(main, ["cost", "--url", url, "--key", KEY, "--every", "5", "--json"])
    finally:
        Metrics.body = SCRAPE
    assert waits == [5.0, 5.0]
    assert result.exit_code == 130
    assert json.loads(result.output.splitlines()[0])["total"]["answered"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "http://127.0.0.1:1"], "does not answer"),
        (["--key", "another"], "/metrics answered 401: it takes a key with the role admin (--key"),
        (["--url", "nonsense"], "does not answer"),
    ],
)
def test_what_cannot_be_read_is_said(url: str, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["cost", "--url", url, *arguments])
    assert result.exit_code == 1
    assert "error[metrics-unavailable]: " in result.output
    assert said in result.output


def test_another_service_s_metrics_are_no_gateway_s(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metrics, "body", "process_open_fds 9\n")
    result = CliRunner().invoke(main, ["cost", "--url", url, "--key", KEY])
    assert "is not a cascade gateway's" in result.output
