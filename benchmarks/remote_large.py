"""A real small language model as the remote large tier: what it finds, and what happens when its server fails.

    python benchmarks/remote_large.py --server-python LLAMA_VENV/bin/python --model SmolLM2-135M-Instruct.Q4_1.gguf \\
        --data ../shared/data/receipts/train.jsonl --out benchmarks/results/remote-large.json

``--server-python`` is a Python with ``llama-cpp-python[server]``, an OpenAI-compatible server; ``--model`` a GGUF file.
The gateway runs as ``cascade serve`` with two workers. Between the two stands a loopback proxy that passes calls on, or
spoils them; the server itself is also killed, and frozen by SIGSTOP. Requests arrive at fixed times whatever became of
those before. For each fault: how every request was answered while it lasted, and how long after its end the first
request was answered with the large tier again.

The model has 135 million parameters. What it finds is measured on a few training receipts to show that the way through
works; it is no measure of what a large language model would find.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import math
import os
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway.evaluation.dataset import file_digest, read_dataset  # noqa: E402
from gateway.evaluation.split import Split  # noqa: E402
from gateway.files import write_json  # noqa: E402
from tests.gateway.tiers.large.remote.faulty import (  # noqa: E402
    FaultyServer,
    forward,
    half_body,
    reset,
    says,
    stall,
    trickle,
)
from training.card import hardware  # noqa: E402

#: What requests are about while faults are measured; short, so that one core answers it in a second.
RECEIPT = (
    "KEDAI BUKU MELUR SDN BHD\nNO 17, JALAN CEMPAKA 3/2\nDATE : 14/03/2018\nTOTAL RM 42.30\n"
    "CASH 50.00\nINVOICE {number}"
)
#: Seconds a request may take, that a fault lasts, and at least between two requests. There are two answer times between
#: them: a server that is overloaded anyway shows nothing about faults.
DEADLINE, FAULT, LEAST_INTERVAL = 12.0, 20.0, 1.5
#: Seconds for each phase of a call while faults are measured.
TIMEOUTS = {"connect": 1, "read": 6, "write": 2, "pool": 5, "total": 8}
BREAKER = {"open": 1.0}
FIELDS = ("company", "date", "address", "total")
#: What must hold.
MOST_RECOVERY = 5.0
#: Seconds between requests from the end of a fault to the first answer with the large tier, if the model is that fast.
RECOVERY_INTERVAL = 1.0


class ModelServer:
    """The real server, as its own process."""

    def __init__(self, python: Path, model: Path, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._command = [
            *(str(python), "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "smollm2"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--n_ctx", "2048", "--logits_all", "true"),
            *("--n_threads", "1", "--n_threads_batch", "1", "--interrupt_requests", "false"),
        ]
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What an upstream's ``base_url`` is."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/models", trust_env=False).status_code == 200:
                    return
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"the model server does not start; see {self._log}")
            time.sleep(0.1)

    def send(self, number: int) -> None:
        """Send a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self) -> None:
        """Kill it."""
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


def write_home(path: Path, url: str, *, patient: bool, fields: Sequence[str] = FIELDS) -> Path:
    """The receipts task with its rules and a remote large tier; without a policy every open field goes on to it.

    ``patient``: with time limits for long answers, instead of those that faults are measured with.
    """
    shutil.copytree(ROOT / "rules", path / "rules")
    task = path / "rules" / "receipts" / "task.yaml"
    described = yaml.safe_load(task.read_text("utf-8"))
    described["tiers"] = ["rules", "large"]
    described["fields"] = {name: described["fields"][name] for name in fields}
    task.write_text(yaml.safe_dump(described, sort_keys=False), "utf-8")
    for name in set(FIELDS) - set(fields):
        (task.parent / f"{name}.yaml").unlink()
    large = path / "models" / "receipts" / "large"
    large.mkdir(parents=True)
    shutil.copy(ROOT / "models" / "receipts" / "split.json", large.parent)
    upstream = {
        "name": "local",
        "base_url": url,
        "model": "smollm2",
        "weights": "SmolLM2-135M-Instruct-Q4_1",
        "prices": {"currency": "USD", "input_per_1k": 0.0001, "output_per_1k": 0.0004},
        "timeouts": {"connect": 1, "read": 300, "total": 300, "pool": 300} if patient else TIMEOUTS,
        "concurrency": 6,
        "breaker": {} if patient else BREAKER,
    }
    (path / "upstreams.yaml").write_text(yaml.safe_dump({"upstreams": [upstream]}), "utf-8")
    remote: dict[str, Any] = {
        "upstreams": ["local"],
        "max_document_tokens": 1200,
        "max_completion_tokens": 160,
        "retries": 1,
    }
    if patient:
        remote["deadline"] = 600
    else:
        remote["confidence"] = {"source": "prior"}  # this server takes longer to answer with log-probabilities
    (large / "remote.yaml").write_text(yaml.safe_dump(remote), "utf-8")
    return path


@contextlib.contextmanager
def gateway(home: Path, log: Path) -> Iterator[str]:
    """A running ``cascade serve``; its address."""
    command = [sys.executable, "-m", "gateway", "--home", str(home), "serve", "--port", "0", "--workers", "2"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("serving "):
                    yield line.split()[1]
                    break
            else:
                sys.exit(f"the gateway does not start; see {log}")
        finally:
            process.terminate()
            process.wait(30)


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent and answered (monotonic seconds), the HTTP status (0: none), the answer's status,
    whether the large tier took part, and why not."""

    sent: float
    done: float
    code: int
    status: str
    with_large: bool
    why_not: str = ""


class Arrivals:
    """Requests every ``interval`` seconds, on threads, until stopped.

    ``interval`` may be changed at any time: how soon recovery is seen cannot be told finer than requests arrive.
    """

    def __init__(self, address: str, interval: float) -> None:
        self.interval = interval
        self._url = f"{address}/v1/extract"
        self.answers: list[Answer] = []
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(64)
        self._sending = threading.Thread(target=self._send_all)
        self.sent = 0

    def __enter__(self) -> Arrivals:
        self._sending.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._sending.join()
        self._pool.shutdown(wait=True)

    def _send_all(self) -> None:
        latest = -math.inf
        while not self._stop.wait(0.02):
            if time.monotonic() >= latest + self.interval:
                latest = time.monotonic()
                self.sent += 1
                self._pool.submit(self._send, self.sent)

    def _send(self, number: int) -> None:
        sent = time.monotonic()
        text = RECEIPT.format(number=number)  # no two alike
        body = {"task": "receipts", "text": text, "fields": ["company"], "deadline_ms": DEADLINE * 1000}
        try:
            response = httpx.post(self._url, json=body, timeout=60, trust_env=False)
            answer = response.json()
            code, status = response.status_code, answer.get("status", "none")
            with_large, why = "large" in answer.get("tiers", ()), answer.get("unavailable", {}).get("large", "")
        except (httpx.HTTPError, ValueError) as error:
            code, status, with_large, why = 0, type(error).__name__, False, ""
        self.answers.append(Answer(sent, time.monotonic(), code, status, with_large, why))

    def wait_for_large(self, since: float, seconds: float) -> float | None:
        """Seconds from ``since`` to the first answer with the large tier to a request sent after it."""
        while time.monotonic() < since + seconds:
            done = [answer.done for answer in self.answers if answer.with_large and answer.done > since]
            if done:
                return min(done) - since
            time.sleep(0.02)
        return None


def answer_time(address: str) -> float:
    """Median seconds of three requests, one after the other, once the server is warm."""
    seconds = []
    for number in range(4):
        begun = time.monotonic()
        body = {"task": "receipts", "text": RECEIPT.format(number=-number), "fields": ["company"]}
        httpx.post(f"{address}/v1/extract", json=body, timeout=60, trust_env=False).raise_for_status()
        seconds.append(time.monotonic() - begun)
    return statistics.median(seconds[1:])


def run_faults(address: str, proxy: FaultyServer, server: ModelServer, interval: float) -> dict[str, Any]:
    """Every fault in turn, each followed by a time in which all is well."""
    good = proxy.then

    def spoil(behaviour: Any) -> tuple[Callable[[], None], Callable[[], None]]:
        return lambda: setattr(proxy, "then", behaviour), lambda: setattr(proxy, "then", good)

    faults: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "server killed": (server.stop, server.start),
        "server frozen": (lambda: server.send(signal.SIGSTOP), lambda: server.send(signal.SIGCONT)),
        "connections refused": (proxy.stop, proxy.start),
        "stalled": spoil(stall),
        "garbage": spoil(says(200, b"<html>it works</html>")),
        "429, Retry-After: 1": spoil(says(429, b"", retry_after="1")),
        "half bodies": spoil(half_body),
        "slow trickle": spoil(trickle),
        "resets": spoil(reset),
        "500": spoil(says(500, b"")),
    }
    windows: dict[str, tuple[float, float]] = {}
    recoveries: dict[str, float | None] = {}
    with Arrivals(address, interval) as arrivals:
        begun = time.monotonic()
        time.sleep(2 * FAULT)
        windows["none"] = begun, time.monotonic()
        if not any(answer.with_large for answer in arrivals.answers):
            sys.exit("the large tier answers nothing although nothing is wrong")
        for name, (begin, end) in faults.items():
            begun = time.monotonic()
            begin()
            time.sleep(FAULT)
            end()  # of a killed server: it is loaded and answers again
            restored = time.monotonic()
            windows[name] = begun, restored
            arrivals.interval = min(interval, RECOVERY_INTERVAL)
            recoveries[name] = arrivals.wait_for_large(restored, 30)
            arrivals.interval = interval
            print(f"{name}: answered with the large tier again after {recoveries[name]} s", flush=True)
            time.sleep(6)
    # Only now has every request its answer.
    results: dict[str, Any] = {}
    for name, (begun, ended) in windows.items():
        results[name] = summary([answer for answer in arrivals.answers if begun <= answer.sent < ended])
        if name in recoveries:
            seconds = recoveries[name]
            results[name]["recovery_seconds"] = None if seconds is None else round(seconds, 2)
    results["all"] = {"sent": arrivals.sent, **summary(arrivals.answers)}
    return results


def summary(answers: list[Answer]) -> dict[str, Any]:
    """Counts of HTTP statuses and answers' statuses, and seconds to answer."""
    seconds = sorted(answer.done - answer.sent for answer in answers)
    return {
        "answered": len(answers),
        "http": dict(Counter(str(answer.code) for answer in answers)),
        "status": dict(Counter(answer.status for answer in answers)),
        "why_not_large": dict(Counter(answer.why_not for answer in answers if not answer.with_large)),
        "with_large": sum(answer.with_large for answer in answers),
        "seconds_median": round(statistics.median(seconds), 3) if seconds else None,
        "seconds_most": round(seconds[-1], 3) if seconds else None,
    }


def run_quality(home: Path, data: Path, count: int, out: Path) -> dict[str, Any]:
    """``cascade eval`` of rules and the remote model on ``count`` training receipts."""
    split = Split.load(ROOT / "models" / "receipts" / "split.json")
    documents = split.select(read_dataset(data), "train")[:: max(1, 350 // count)][:count]
    chosen = {document.id for document in documents}
    part = out.with_suffix(".jsonl")
    lines = [line for line in data.read_text("utf-8").splitlines() if json.loads(line)["id"] in chosen]
    part.write_text("\n".join(lines) + "\n", "utf-8")
    command = [
        sys.executable,
        "-m",
        "gateway",
        "--home",
        str(home),
        "eval",
        "receipts",
        str(part),
        "--systems",
        "rules,large",
    ]
    done = subprocess.run(
        [*command, "--allow-seen", "--json", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(done.stdout, done.stderr, flush=True)
    if not out.is_file():
        sys.exit("nothing was measured")
    measured = json.loads(out.read_text("utf-8"))["systems"]
    return {
        "documents": len(documents),
        "systems": {
            name: {
                "normalised": system["scores"]["normalised"]["micro"],
                "failures": len(system["failures"]),
                "cost": system["cost"],
                "speed": system["speed"],
            }
            for name, system in measured.items()
        },
    }


def command(arguments: argparse.Namespace) -> str:
    """The command without where things lie on this machine."""
    said = ["python", "benchmarks/remote_large.py", "--server-python", "LLAMA_VENV/bin/python"]
    said += ["--model", arguments.model.name, "--documents", str(arguments.documents), "--out", str(arguments.out)]
    return shlex.join([*said, *(["--data", str(arguments.data)] if arguments.data else [])])


def server_version(arguments: argparse.Namespace) -> str:
    """Name and version of the model server."""
    code = "import importlib.metadata as m; print('llama-cpp-python', m.version('llama-cpp-python'))"
    asked = [str(arguments.server_python), "-c", code]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server-python", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="Receipts; without them nothing is measured of what the model finds.")
    parser.add_argument("--documents", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cascade-remote-") as directory:
        place = Path(directory)
        server = ModelServer(arguments.server_python, arguments.model, place / "server.log")
        server.start()
        try:
            with FaultyServer(forward(server.url)) as proxy:
                quality = {}
                for fields in (FIELDS, FIELDS[:1]) if arguments.data is not None else ():
                    name = "+".join(fields)
                    home = write_home(place / name, proxy.url, patient=True, fields=fields)
                    quality[name] = run_quality(home, arguments.data, arguments.documents, place / f"{name}.json")
                with gateway(write_home(place / "home", proxy.url, patient=False), place / "gateway.log") as address:
                    interval = max(LEAST_INTERVAL, 2 * answer_time(address))
                    faults = run_faults(address, proxy, server, interval)
                    metrics = httpx.get(f"{address}/metrics", trust_env=False).text
                asked = [json.loads(request.raw) for request in proxy.received if request.raw]
        finally:
            server.send(signal.SIGCONT)
            server.stop()
    recoveries = [item["recovery_seconds"] for item in faults.values() if "recovery_seconds" in item]
    write_json(
        arguments.out,
        {
            "command": command(arguments),
            "hardware": hardware(),
            "versions": {"python": sys.version.split()[0], "httpx": importlib.metadata.version("httpx")},
            "load_average": os.getloadavg(),
            "model": {
                "file": arguments.model.name,
                "sha256": file_digest(arguments.model),
                "server": server_version(arguments),
            },
            "seed": 0,
            "every_request_answered": faults["all"]["http"] == {"200": faults["all"]["sent"]},
            "recovered_within_seconds": None if None in recoveries else max(recoveries),
            "most_recovery_allowed": MOST_RECOVERY,
            "settings": {
                "timeouts": TIMEOUTS,
                "breaker": BREAKER,
                "deadline_seconds": DEADLINE,
                "fault_seconds": FAULT,
                "interval_seconds": round(interval, 2),
                "interval_seconds_until_recovered": round(min(interval, RECOVERY_INTERVAL), 2),
            },
            "faults": faults,
            "metrics": sorted(line for line in metrics.splitlines() if line.startswith("cascade_upstream")),
            "response_formats_asked_for": dict(
                Counter(body.get("response_format", {}).get("type", "none") for body in asked)
            ),
            "quality": quality,
        },
    )


if __name__ == "__main__":
    main()
