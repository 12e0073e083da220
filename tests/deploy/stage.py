"""A gateway of two workers with a remote large tier, and a Prometheus that scrapes it every second."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.home import Home
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name
from gateway.tiers.forms import Forms
from gateway.tiers.loading import load_model_tiers
from gateway.tiers.rules.tier import RulesTier
from gateway.tiers.student import load_student
from tests.e2e.conftest import write_student
from tests.gateway.tiers.large.remote.faulty import FaultyServer, fields

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
SCRAPE_SECONDS = 1
DEADLINE_SECONDS = 120.0
TASK = """\
task: bills
quality: 0.9
tiers: [rules, student, large]
fields:
  shop: {type: text}
  total: {type: money}
prices: {currency: USD, cpu_second: 0.0000125}
"""
RULES = """\
field: total
rules:
  - {id: after-total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}
"""
FILTERS = "filters:\n  - {id: too-short, kind: length, min_chars: 12}\n"


def needs(program: str) -> str:
    """Where a program lies; without it the test is skipped."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs {program}: on Debian, `apt-get install prometheus`")
    return found


def text(number: int) -> str:
    """A bill; the student knows the shop of three in four, and rules every total."""
    shop = "KEDAI MELUR" if number % 4 == 0 else "MUTIARA LTD"
    return f"{shop}\nbread {number}\nTOTAL {number}.50\n"


def write_home(path: Path, upstream: str) -> Home:
    """A calibrated home in which all three tiers are needed."""
    (path / "rules" / "bills").mkdir(parents=True)
    (path / "models" / "bills" / "large").mkdir(parents=True)
    (path / "rules" / "bills" / "task.yaml").write_text(TASK)
    (path / "rules" / "bills" / "total.yaml").write_text(RULES)
    (path / "rules" / "bills" / "filters.yaml").write_text(FILTERS)
    described = {
        "name": "own",
        "base_url": upstream,
        "model": "tiny",
        "prices": {"input_per_1k": 0.1, "output_per_1k": 0.2},
    }
    (path / "upstreams.yaml").write_text(yaml.safe_dump({"upstreams": [described]}))
    (path / "models" / "bills" / "large" / "remote.yaml").write_text(yaml.safe_dump({"upstreams": ["own"]}))
    home = Home(path)
    task = home.task("bills")
    write_student(home.models / "bills" / "student")
    student = load_student(home.models / "bills" / "student", task, Forms())
    tier, status = load_model_tiers(home, task)["large"]
    tier.close()  # type: ignore[union-attr]
    threshold = Threshold(0.3, True, 90, 1, 100, 0.05)
    Policy(
        "bills",
        thresholds={chain_name(chain): {name: {0.9: threshold} for name in task.fields} for chain in all_chains()},
        versions={
            "rules": dict(RulesTier.load(home.rules, task).field_versions),
            "student": student.version,
            "large": status.version,
        },
        estimates={"student": TierEstimate(1e-4, 0.0)},
    ).save(home.models / "bills" / "policy.json")
    return home


@dataclass
class Stage:
    """What runs."""

    gateway: str
    prometheus: str
    home: Home
    answers: list[dict[str, Any]] = field(default_factory=list)
    #: Seconds since the epoch: the scrapes just before and just after ``answers``.
    began: float = 0.0
    ended: float = 0.0
    before: str = ""
    after: str = ""

    def metrics(self) -> str:
        response = httpx.get(f"{self.gateway}/metrics", timeout=30)
        assert response.status_code == 200
        return response.text

    def extract(self, number: int) -> dict[str, Any]:
        response = httpx.post(f"{self.gateway}/v1/extract", json={"task": "bills", "text": text(number)}, timeout=60)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        return self._ask("query", {"query": expr, **({} if at is None else {"time": f"{at:.3f}"})})

    def query_range(self, expr: str) -> list[dict[str, Any]]:
        """The series of a range query over everything that was scraped."""
        at = {"start": f"{self.began - 30:.3f}", "end": f"{time.time():.3f}", "step": "1"}
        return self._ask("query_range", {"query": expr, **at})

    def _ask(self, what: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.prometheus}/api/v1/{what}", data=parameters, timeout=60).json()
        assert answer["status"] == "success", (parameters["query"], answer)
        found = answer["data"]["result"]
        return found if isinstance(found, list) and (not found or isinstance(found[0], dict)) else [{"value": found}]

    def scrapes(self) -> list[tuple[float, float]]:
        """Moments of the last scrapes, and the answered requests each saw."""
        found = self.query('cascade_requests_total{task="bills",status="complete"}[2m]')
        return [(float(at), float(value)) for at, value in found[0]["values"]] if found else []

    def window(self, expr: str, window: str = "$__range") -> list[dict[str, Any]]:
        """A dashboard's instant query over exactly the replayed requests."""
        milliseconds = round((self.ended - self.began) * 1000)
        return self.query(substituted(expr, f"{milliseconds}ms"), self.ended)


def substituted(expr: str, window: str) -> str:
    """A query with Grafana's variables replaced."""
    return expr.replace("$__range", window).replace("$__rate_interval", window).replace("$task", ".*")


def panels(name: str) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard that ask something."""
    board = json.loads((DASHBOARDS / f"{name}.json").read_text("utf-8"))
    return (panel for panel in board["panels"] if panel.get("targets"))


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended when the block is."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def prometheus_files(directory: Path, gateway: str) -> Path:
    """The committed configuration and rules, scraping one address, and evaluating, every second."""
    source = ROOT / "deploy" / "prometheus"
    config = yaml.safe_load((source / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": "1s"}
    for name in config["rule_files"]:
        rules = yaml.safe_load((source / name).read_text("utf-8"))
        for group in rules["groups"]:
            group.pop("interval", None)
        (directory / name).write_text(yaml.safe_dump(rules))
    (directory / "targets.yml").write_text(yaml.safe_dump([{"targets": [gateway.removeprefix("http://")]}]))
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    return directory / "prometheus.yml"


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Start everything, and end it when the block is left."""
    program = needs("prometheus")
    port = free_port()
    with FaultyServer(fields(shop="KEDAI MELUR")) as upstream:
        home = write_home(directory / "home", upstream.url)
        (short := Path(f"/tmp/cascade-stage-{os.getpid()}")).mkdir()
        environment = {
            "TMPDIR": str(short),
            "PYTHONUNBUFFERED": "1",
            "CASCADE_STATE": str(directory / "state"),
            "CASCADE_AUDIT_SHARE": "0.5",
            "CASCADE_AUDIT_BY": "large",
            "CASCADE_AUDIT_DAILY_BUDGET": "1000",
            "CASCADE_CACHE_BYTES": "1000000",
            "CASCADE_INSTANCE_PRICE_PER_HOUR": "0.5",
            "CASCADE_UPSTREAMS": str(home.path / "upstreams.yaml"),
        }
        serve = [sys.executable, "-m", "gateway", "--home", str(home.path), "serve", "--port", "0", "--workers", "2"]
        try:
            with running(serve, directory / "gateway.log", **environment) as gateway:
                address = _address(directory / "gateway.log", gateway)
                storage = ["--storage.tsdb.path", str(directory / "tsdb"), "--web.listen-address", f"127.0.0.1:{port}"]
                config = prometheus_files(directory, address)
                scraper = [program, f"--config.file={config}", *storage, "--log.level=warn"]
                with running(scraper, directory / "prometheus.log"):
                    yield Stage(address, f"http://127.0.0.1:{port}", home)
        finally:
            shutil.rmtree(short, ignore_errors=True)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    def said() -> bool:
        assert process.poll() is None, log.read_text()
        return re.search(r"^serving (http://\S+)", log.read_text(), re.MULTILINE) is not None

    eventually(said, "the gateway's start")
    found = re.search(r"^serving (http://\S+)", log.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def replay(on: Stage, requests: int) -> None:
    """Make every kind of thing happen once, then replay ``requests`` bills between two scrapes."""
    _once(on)
    eventually(lambda: _scraped(on) and on.scrapes()[-1][1] > 0, "the first scrape of answers")
    settled = _settled(on)
    on.before = on.metrics()
    eventually(lambda: on.scrapes()[-1][0] > settled, "a scrape before the load")
    on.began = on.scrapes()[-1][0]
    with ThreadPoolExecutor(4) as threads:
        on.answers = list(threads.map(on.extract, range(100, 100 + requests)))
    settled = _settled(on)
    on.after = on.metrics()
    eventually(lambda: on.scrapes()[-1][0] > settled, "a scrape after the load")
    on.ended = on.scrapes()[-1][0]


def _once(on: Stage) -> None:
    for number in (1, 2, 3, 4, 4, 4, 4, 4):  # the same again: from the cache of one worker or the other
        on.extract(number)
    with httpx.Client(base_url=on.gateway, timeout=30) as client:
        for number in range(5, 10):
            _confirm(client, number)
        assert client.post("/v1/extract", json={"task": "bills", "text": "hi"}).status_code == 200  # filtered
        assert client.post("/v1/extract", json={"task": "nothing", "text": "hi"}).status_code == 404
    rules = on.home.rules / "bills" / "total.yaml"
    rules.write_text(f"{RULES}# an edit\n")


def _confirm(client: httpx.Client, number: int) -> None:
    """Let a person confirm a bill's total."""
    answered = client.post("/v1/extract", json={"task": "bills", "text": text(number), "id": f"bill-{number}"})
    said = {"task": "bills", "id": f"bill-{number}", "field": "total", "value": f"{number}.50"}
    judged = client.post("/v1/feedback", json={**said, "request_id": answered.headers["X-Request-Id"]})
    assert judged.status_code == 200, judged.text


def _scraped(on: Stage) -> bool:
    try:
        return bool(on.scrapes())
    except httpx.TransportError:
        return False


def _settled(on: Stage) -> float:
    """Now, once two looks at the metrics show the same number of requests and of fields."""
    last = ""

    def still() -> bool:
        nonlocal last
        time.sleep(1.5)
        now = "\n".join(sorted(re.findall(r"^cascade_(?:requests|fields|cost)\w*{.*$", on.metrics(), re.MULTILINE)))
        same, last = now == last, now
        return same

    eventually(still, "rest")
    return time.time()
