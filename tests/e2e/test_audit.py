"""Audits from one end to the other: ``cascade serve`` with two workers, rules, and a slow remote large model."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.engine import Engine
from gateway.evaluation.dataset import text_digest
from gateway.home import Home
from gateway.inference.local import LocalInference, model_loader
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name
from gateway.tiers.rules.tier import RulesTier

TASK = "task: bills\nquality: 0.9\ntiers: [rules, large]\nfields:\n  total: {type: money}\n"
TOTAL_RULES = """\
field: total
rules:
  - {id: after-total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}
"""
UPSTREAMS = """\
upstreams:
  - name: slow
    base_url: http://127.0.0.1:%d/v1
    model: tiny
    structured: json_schema
    prices: {currency: USD, per_call: 0.01, input_per_1k: 0, output_per_1k: 0}
"""


@dataclass
class SlowModel:
    """Answers chat completions after a while, always with the same total."""

    total: str = "8.00"
    seconds: float = 0.05
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def handler(model) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                with model.lock:
                    model.calls += 1
                time.sleep(model.seconds)
                model.gate.wait(60)
                message = {"role": "assistant", "content": json.dumps({"total": model.total})}
                usage = {"prompt_tokens": 10, "completion_tokens": 5}
                body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowModel]:
    model = SlowModel()
    server = ThreadingHTTPServer(("127.0.0.1", 0), model.handler())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    path = tmp_path / "upstreams.yaml"
    path.write_text(UPSTREAMS % server.server_address[1])
    monkeypatch.setenv("CASCADE_UPSTREAMS", str(path))
    yield model
    model.gate.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path: Path, model: SlowModel) -> Home:
    """A home whose policy knows the rules and the slow model."""
    del model  # its upstream must be named before tasks are read
    home = Home(tmp_path / "home")
    rules = home.rules / "bills"
    large = home.models / "bills" / "large"
    for directory in (rules, large):
        directory.mkdir(parents=True)
    (rules / "task.yaml").write_text(TASK)
    (rules / "total.yaml").write_text(TOTAL_RULES)
    (large / "remote.yaml").write_text("upstreams: [slow]\nmax_document_tokens: 6000\n")
    versions: dict[str, Any] = {"rules": dict(RulesTier.load(home.rules, home.task("bills")).field_versions)}
    versions["large"] = asyncio.run(large_version(home))
    threshold = Threshold(0.8, True, 100, 1, 100, 0.05)
    Policy(
        "bills",
        thresholds={chain_name(chain): {"total": {0.9: threshold}} for chain in all_chains()},
        versions=versions,
        estimates={"rules": TierEstimate(0.001, 0.0)},
    ).save(home.models / "bills" / "policy.json")
    return home


async def large_version(home: Home) -> str:
    inference = LocalInference(home, load=model_loader())
    engine = await Engine.open(home, inference)
    version = engine.tasks["bills"].models["large"].version
    await engine.close()
    assert version is not None
    return version


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state"
    monkeypatch.setenv("CASCADE_STATE", str(path))
    return path


def sample(service: Any, name: str, labels: str) -> float:
    found = re.search(rf"^{name}{{{labels}}} (\S+)$", service.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def cascade(home: Home, *words: str) -> Any:
    return CliRunner().invoke(main, ["--home", str(home.path), "audit", *words])


def write_labelled(home: Home, path: Path) -> Path:
    """Labelled documents that rules read right and the model agrees with, and a split of them."""
    parts: dict[str, dict[str, str]] = {"train": {}, "calibration": {}, "validation-seen": {}}
    lines = []
    for number in range(60):
        identifier, text = f"labelled/{number}", f"BREAD {number}\nTOTAL 8.00"
        lines.append(json.dumps({"id": identifier, "text": text, "labels": {"total": "8.00"}}))
        parts[list(parts)[number % 3]][identifier] = text_digest(text)
    path.write_text("\n".join(lines) + "\n")
    split = {"task": "bills", "seed": 1, "parts": parts, "groups": {}, "about": {}}
    (home.models / "bills" / "split.json").write_text(json.dumps(split))
    return path


def test_what_was_measured_of_the_large_tier_is_what_its_audits_are_held_against(
    home: Home, model: SlowModel, tmp_path: Path
) -> None:
    data = write_labelled(home, tmp_path / "labelled.jsonl")
    shown = cascade(home, "reference", "bills", "--data", str(data))
    assert shown.exit_code == 0, shown.output
    assert "total  rules+large@0.9     20          0      0          0       27.7" in shown.output
    assert model.calls == 20
    written = json.loads((home.models / "bills" / "reference.json").read_text())
    counts = {"right": 20, "right_disagreed": 0, "wrong": 0, "wrong_disagreed": 0}
    assert written["agreement"] == {"total": {"rules+large@0.9": counts}}
    assert written["agreement_part"] == "validation-seen"
    chosen = cascade(home, "reference", "bills", "--data", str(data), "--quality", "0.95", "--json")
    assert json.loads(chosen.output)["agreement"] == {}  # no such target is certified
    for part, words in (("train", "used to train"), ("nothing", "no part")):
        refused = cascade(home, "reference", "bills", "--data", str(data), "--agreement-part", part)
        assert refused.exit_code == 2
        assert words in refused.output


def test_the_large_tier_audits_in_the_background_until_the_promise_is_in_doubt(
    start: Callable[..., Any], home: Home, state: Path, model: SlowModel, eventually: Any, monkeypatch: Any
) -> None:
    data = write_labelled(home, state.parent / "labelled.jsonl")
    assert cascade(home, "reference", "bills", "--data", str(data)).exit_code == 0
    monkeypatch.setenv("CASCADE_AUDIT_SHARE", "1")
    model.gate.clear()  # until every request is answered, no audit is: they do not wait for one
    service = start(home, "--workers", "2")
    for number in range(20):
        answer = service.extract(task="bills", text=f"BREAD\nTOTAL {number + 20}.00")
        assert answer.json()["fields"]["total"]["tier"] == "rules"
    assert sample(service, "cascade_audit_total", 'agree="no",field="total",task="bills",tier="rules"') == 0
    model.gate.set()
    disagreed = 'agree="no",field="total",task="bills",tier="rules"'
    eventually(lambda: sample(service, "cascade_audit_total", disagreed) == 20)
    eventually(lambda: sample(service, "cascade_quality_doubt", 'field="total",task="bills"') == 1)
    tested = 'agree="no",field="total",task="bills"'
    assert sample(service, "cascade_audit_tested_total", tested) == 20
    allowed = sample(service, "cascade_audit_allowed_disagreements_total", 'field="total",task="bills"')
    assert allowed == pytest.approx(20 * 0.277, abs=0.01)
    cost = sample(service, "cascade_audit_cost_total", 'currency="USD",task="bills"')
    assert 0.2 <= cost < 0.201  # twenty calls, and the processor time of making them
    eventually(lambda: any("warnings" in task for task in service.get("/readyz").json()["tasks"].values()))
    ready = service.get("/readyz")
    assert ready.status_code == 200  # in doubt, and serving
    doubts = [line for line in service.log_lines() if line.get("code") == "quality-in-doubt"]
    assert sorted(line["field"] for line in doubts) == ["all", "total"]  # once, not once a worker
    assert service.stop() == 0

    shown = cascade(home, "report", "bills", "--json")
    assert shown.exit_code == 1  # a promise is in doubt
    found = json.loads(shown.output)
    assert found["audits"][0]["disagreed"] == 20
    assert 0.2 <= found["spending"][0]["amount"] < 0.201
    assert (state / "audit.sqlite3").stat().st_mode & 0o077 == 0
    assert cascade(home, "restart", "bills").output == "2 tests begin anew\n"
    assert cascade(home, "report", "bills").exit_code == 0


def test_a_budget_stops_audits_and_not_answers(
    start: Callable[..., Any], home: Home, state: Path, model: SlowModel, eventually: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("CASCADE_AUDIT_SHARE", "1")
    monkeypatch.setenv("CASCADE_AUDIT_DAILY_BUDGET", "0.035")
    service = start(home)
    for number in range(8):
        assert service.extract(task="bills", text=f"TOTAL {number + 20}.00").status_code == 200
    dropped = 'reason="budget",task="bills"'
    eventually(lambda: sample(service, "cascade_audit_dropped_total", dropped) == 5)
    assert model.calls == 3
    assert service.stop() == 0


def test_people_answer_open_questions_and_their_labels_are_exported(
    start: Callable[..., Any],
    home: Home,
    state: Path,
    model: SlowModel,
    eventually: Any,
    monkeypatch: Any,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CASCADE_AUDIT_SHARE", "1")
    monkeypatch.setenv("CASCADE_AUDIT_BY", "person")
    monkeypatch.setenv("CASCADE_AUDIT_KEEP_TEXT", "true")
    service = start(home)
    text = "BREAD\nTOTAL 9.00"
    with service.client() as client:
        asked = client.post("/v1/extract", json={"task": "bills", "text": text, "id": "doc"})
        request_id = asked.headers["X-Request-Id"]

        def questions() -> list[Any]:
            shown = cascade(home, "open", "bills", "--json")
            assert shown.exit_code == 0
            return [json.loads(line) for line in shown.output.splitlines()]

        eventually(lambda: len(questions()) == 1)
        assert (questions()[0]["request_id"], questions()[0]["text"]) == (request_id, text)
        body = {"task": "bills", "request_id": request_id, "field": "total", "value": "RM 9"}
        told = [client.post("/v1/feedback", json=body).json() for _ in range(2)]
        assert [answer["result"] for answer in told] == ["new", "same"]
        assert told[0]["agree"] is True  # equal as amounts
        assert told[0]["audit"] is True
        assert questions() == []
        wrong = client.post("/v1/feedback", json={**body, "field": "vat"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "unknown-field")
        assert model.calls == 0
    assert service.stop() == 0
    out = tmp_path / "labels.jsonl"
    assert cascade(home, "export", "bills", str(out)).exit_code == 0
    said = {"id": "doc", "sampled_for": "training", "text": text, "labels": {"total": "RM 9"}}
    assert json.loads(out.read_text()) == said
