"""A real service on the loopback: real rules, policy, engine and HTTP server, around model tiers read from a script."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from gateway.document import Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.engine import Engine
from gateway.home import Home
from gateway.http.app import create_app
from gateway.http.door import Door
from gateway.http.protocol import server_options
from gateway.http.serving import listen
from gateway.inference.base import TierStatus
from gateway.inference.batching import Limits
from gateway.inference.local import LoadedTier, LocalInference
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name
from gateway.settings import Settings
from gateway.task import TaskSpec
from gateway.telemetry.metrics import Metrics
from gateway.tiers.rules.tier import RulesTier
from gateway.values import canonical, fold_text

TASK = """\
task: bills
description: What a bill says.
quality: 0.9
fields:
  shop: {type: text, description: Who sells.}
  total: {type: money}
  item: {type: text, many: true}
"""
TOTAL_RULES = """\
field: total
rules:
  - id: after-total
    kind: anchor
    label: 'TOTAL'
    value: '\\d+\\.\\d\\d'
    precision: 0.95
"""


@dataclass
class ScriptedTier:
    """Reads ``Shop: …`` and ``Item: …`` lines; ``gate`` holds it up, ``error`` makes it fail."""

    name: TierName
    version: str
    score: float = 0.9
    gate: threading.Event | None = None
    error: Exception | None = None
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        self.calls.append(tuple(fields))
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return [self._read(document, fields) for document in documents]

    def _read(self, document: Document, fields: Sequence[str]) -> TierOutput:
        proposals = {}
        for name in fields:
            found = re.finditer(rf"^{name}: (.+)$", document.text, re.MULTILINE | re.IGNORECASE)
            candidates = tuple(self._candidate(match) for match in found)
            proposals[name] = Proposal(candidates)
        return TierOutput(proposals, Work(0.01, 0.01, 5, 1))

    def _candidate(self, match: re.Match[str]) -> Candidate:
        text = match[1]
        return Candidate(
            text, text, canonical("text", text) or fold_text(text), (match.span(1),), self.score, self.name
        )


@dataclass
class Running:
    """A server that answers."""

    client: httpx.Client
    engine: Engine
    inference: LocalInference
    tiers: Mapping[TierName, ScriptedTier]

    def extract(self, text: str, **more: object) -> httpx.Response:
        return self.client.post("/v1/extract", json={"task": "bills", "text": text, **more})

    def sample(self, name: str, **labels: str) -> float:
        """One sample of the metrics, 0 where there is none."""
        for line in self.client.get("/metrics").text.splitlines():
            match = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
            if match and dict(re.findall(r'(\w+)="([^"]*)"', match[1] or "")) == labels:
                return float(match[2])
        return 0.0


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the task ``bills``, calibrated for student-1 and large-1."""
    path = tmp_path_factory.mktemp("home")
    rules = path / "rules" / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text(TASK)
    (rules / "total.yaml").write_text(TOTAL_RULES)
    home = Home(path)
    tier = RulesTier.load(home.rules, home.task("bills"))
    certified, uncertified = (Threshold(0.8, ok, 90, 1, 100, 0.05) for ok in (True, False))
    fields = ("shop", "total", "item")
    Policy(
        "bills",
        thresholds={
            chain_name(chain): {name: {0.9: certified, 0.99: uncertified} for name in fields} for chain in all_chains()
        },
        versions={"rules": dict(tier.field_versions), "student": "student-1", "large": "large-1"},
        estimates={"student": TierEstimate(0.01, 0.0), "large": TierEstimate(1.0, 0.001)},
    ).save(home.models / "bills" / "policy.json")
    return home


@pytest.fixture
def serve(home: Home) -> Iterator[Callable[..., Running]]:
    """Starts servers: ``serve(student=…, large=…, **settings)``; ``None`` is a missing tier."""
    with ExitStack() as stack:

        def start(
            student: ScriptedTier | None = None,
            large: ScriptedTier | None = None,
            missing: Sequence[TierName] = (),
            **settings: object,
        ) -> Running:
            tiers: dict[TierName, ScriptedTier] = {
                "student": student or ScriptedTier("student", "student-1"),
                "large": large or ScriptedTier("large", "large-1"),
            }
            tiers = {name: tier for name, tier in tiers.items() if name not in missing}
            return stack.enter_context(_running(home, tiers, Settings.read(log_level="error", **settings)))

        yield start


@pytest.fixture
def service(serve: Callable[..., Running]) -> Running:
    """A server with all tiers."""
    return serve()


@pytest.fixture(scope="module")
def shared_service(home: Home) -> Iterator[Running]:
    """A server with all tiers for tests that only look at single answers."""
    tiers: dict[TierName, ScriptedTier] = {
        "student": ScriptedTier("student", "student-1"),
        "large": ScriptedTier("large", "large-1"),
    }
    with _running(home, tiers, Settings.read(log_level="error")) as running:
        yield running


@contextmanager
def _running(home: Home, tiers: Mapping[TierName, ScriptedTier], settings: Settings) -> Iterator[Running]:
    def load(_home: Home, _task: TaskSpec) -> dict[TierName, LoadedTier]:
        return {
            name: (tiers[name], TierStatus(tiers[name].version, None, "int8"))
            if name in tiers
            else (None, TierStatus(None, f"no {name} here"))
            for name in ("student", "large")
        }

    metrics = Metrics(CollectorRegistry())
    inference = LocalInference(home, load=load, limits=Limits(settings.queue_limit), listener=metrics)
    engine = asyncio.run(Engine.open(home, inference))

    async def opened() -> Engine:
        return engine

    door = Door(settings.max_requests, refused=lambda code: metrics.refused.labels(code).inc())
    application = create_app(opened, settings, metrics)
    server = uvicorn.Server(uvicorn.Config(application, **server_options(settings, door), timeout_graceful_shutdown=5))
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, timeout=30) as client:
            eventually(lambda: server.started)
            yield Running(client, engine, inference, tiers)
    finally:
        for tier in tiers.values():
            if tier.gate is not None:
                tier.gate.set()
        server.should_exit = True
        thread.join(20)
        listening.close()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    return eventually


@pytest.fixture
def scripted() -> type[ScriptedTier]:
    """The class of the model tiers, to make others."""
    return ScriptedTier
