"""How fast an edit of rules takes effect, and what it costs the requests meanwhile.

    python benchmarks/reload.py --out benchmarks/results/reload.json

A real `cascade serve` with worker processes serves two homes in turn: the receipts' rules (without models), and one
rule. Requests come at a steady rate, over one connection a worker and more, whether or not they are answered (open
loop), so that a pause shows in the latency of every request that falls into it. Stretches with one edit and stretches
without alternate. An edit changes a file atomically; every answer says its generation.

* ``applied``: seconds from the edit until the last answer of the generation before was sent for, the 200 ms of quiet
  and all checks included: what an author waits.
* ``converged``: seconds from the publication of the checked generation until the last worker had it.
* ``latency_ms``: of the requests of the stretches with an edit and of those without, and the ratio of their medians.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.files import write_json, write_text

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 120.0
_CONNECTIONS = 8
_ONE_RULE = (
    "field: total\nrules:\n  - {id: after, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d',"
    " examples: [{text: 'TOTAL RM 9.00', value: '9.00'}]}\n"
)


@dataclass
class Answer:
    """One request: when it was due, how long it took, and the generation that answered; or why there is no answer."""

    due: float
    seconds: float
    generation: int | None
    error: str | None = None


@dataclass
class Stretch:
    """Requests of some seconds, with an edit at ``edited`` or without one."""

    edited: float | None
    answers: list[Answer] = field(default_factory=list)


def make_home(directory: Path, name: str) -> str:
    """Write a home with the rules of ``name``; the task's name."""
    rules = directory / "rules"
    if name == "receipts":
        shutil.copytree(ROOT / "rules" / "receipts", rules / "receipts")
        shutil.copytree(ROOT / "rules" / "library", rules / "library")
        (directory / "models" / "receipts").mkdir(parents=True)
        shutil.copy(ROOT / "models" / "receipts" / "policy.json", directory / "models" / "receipts")
        task = (rules / "receipts" / "task.yaml").read_text("utf-8")
        task = re.sub(r"^tiers:.*\n", "", task, flags=re.MULTILINE) + "tiers: [rules]\n"
        (rules / "receipts" / "task.yaml").write_text(task, "utf-8")
        return "receipts"
    (rules / "bills").mkdir(parents=True)
    (rules / "bills" / "task.yaml").write_text("task: bills\ntiers: [rules]\nfields:\n  total: {type: money}\n")
    (rules / "bills" / "total.yaml").write_text(_ONE_RULE)
    return "bills"


@contextlib.contextmanager
def service(home: Path, workers: int) -> Iterator[str]:
    """A running service's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gateway", "--home", str(home), "serve", "--port", str(port)]
    command += ["--workers", str(workers), "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the service did not start")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(30)


async def ask(client: httpx.AsyncClient, body: dict[str, Any], due: float) -> Answer:
    """Send one request; its time counts from when it was due."""
    try:
        response = await client.post("/v1/extract", json=body)
        seconds = time.monotonic() - due
        if response.status_code != 200:
            return Answer(due, seconds, None, response.text)
        return Answer(due, seconds, response.json()["versions"]["generation"])
    except httpx.HTTPError as error:
        return Answer(due, time.monotonic() - due, None, repr(error))


async def stretch(client: httpx.AsyncClient, body: dict[str, Any], rate: float, seconds: float, edit: Any) -> Stretch:
    """Requests at a steady rate; ``edit`` is called after a tenth of the time, where it is given."""
    started = time.monotonic()
    found = Stretch(None)
    asked: list[asyncio.Task[Answer]] = []
    for number in range(int(rate * seconds)):
        due = started + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if edit is not None and found.edited is None and number >= rate * seconds / 10:
            edit()
            found.edited = time.monotonic()
        asked.append(asyncio.create_task(ask(client, body, due)))
    found.answers = list(await asyncio.gather(*asked))
    return found


async def measure(address: str, home: Path, task: str, options: argparse.Namespace) -> dict[str, Any]:
    """All stretches of one home."""
    text = (ROOT / "docs" / "samples" / "receipt.txt").read_text("utf-8")
    path = home / "rules" / task / "total.yaml"
    original = path.read_text("utf-8")
    stretches: list[Stretch] = []
    converged: list[float] = []
    checked: list[float] = []
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        body = {"task": task, "text": text}
        await stretch(client, body, options.rate, 2.0, None)  # connections and caches
        for round_number in range(options.edits):
            content = f"{original}# edit {round_number}\n"
            order = [None, lambda content=content: write_text(path, content)]
            for edit in order if round_number % 2 else reversed(order):
                stretches.append(await stretch(client, body, options.rate, options.seconds, edit))
            state = (await client.get("/readyz")).json()["reload"]["generations"][task]
            converged.append(state["converged_seconds"])
            checked.append(state["checked_seconds"])
    edited = [each for each in stretches if each.edited is not None]
    quiet = [each for each in stretches if each.edited is None]
    answers = [answer for each in stretches for answer in each.answers]
    backwards = sum(applied_seconds(each) is None for each in edited)
    during, without = latencies(edited), latencies(quiet)
    return {
        "task": task,
        "rules": sum(
            len(re.findall(r"\bid:", file.read_text("utf-8"))) for file in (home / "rules" / task).glob("*.yaml")
        ),
        "requests": len(answers),
        "failed": sum(answer.error is not None for answer in answers),
        "edits": len(edited),
        "edits_not_applied_in_time": backwards,
        "applied_seconds": quantiles([found for each in edited if (found := applied_seconds(each)) is not None]),
        "quiet_and_checks_seconds": quantiles(checked),
        "converged_seconds": quantiles(converged),
        "latency_ms": {"with_an_edit": during, "without": without},
        "latency_median_ratio": round(during["p50"] / without["p50"], 3),
        "latency_p99_ratio": round(during["p99"] / without["p99"], 3),
    }


def applied_seconds(found: Stretch) -> float | None:
    """Seconds from the edit until the last request that the generation before answered; ``None`` if it still does."""
    newest = max(answer.generation or 0 for answer in found.answers)
    if found.edited is None or found.answers[-1].generation != newest:
        return None
    old = [answer.due for answer in found.answers if answer.generation not in (None, newest)]
    return max(0.0, max(old) - found.edited) if old else None


def latencies(stretches: list[Stretch]) -> dict[str, float]:
    """Quantiles in milliseconds."""
    seconds = [answer.seconds * 1000 for each in stretches for answer in each.answers if answer.error is None]
    found = quantiles(seconds)
    assert found is not None, "no request of these stretches was answered"
    return found


def quantiles(values: list[float]) -> dict[str, float] | None:
    """Median, 99th percentile (the greatest of fewer than 100) and greatest; ``None`` of no values: no edit was in
    force before its stretch ended."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 3),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 3),
        "max": round(ordered[-1], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="Where the figures go, as JSON.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--edits", type=int, default=20, help="Edits of each home.")
    parser.add_argument("--rate", type=float, default=40.0, help="Requests a second.")
    parser.add_argument("--seconds", type=float, default=6.0, help="Length of a stretch with or without an edit.")
    options = parser.parse_args()
    found = []
    for name in ("one-rule", "receipts"):
        with tempfile.TemporaryDirectory(prefix="cascade-reload-") as directory:
            home = Path(directory)
            task = make_home(home, name)
            with service(home, options.workers) as address:
                found.append(asyncio.run(measure(address, home, task, options)))
        print(found[-1], flush=True)
    write_json(
        options.out,
        {
            "command": command_line(["benchmarks/reload.py", *sys.argv[1:]]),
            "hardware": hardware(),
            "load_average": list(os.getloadavg()),
            "versions": versions(),
            "workers": options.workers,
            "rate": options.rate,
            "homes": found,
        },
    )


if __name__ == "__main__":
    main()
