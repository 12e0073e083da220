"""Do the costs that answers state add up, and is ``always_large`` what always asking the large tier costs?

    python -m benchmarks.cost --data ../shared/data/receipts/train.jsonl --out benchmarks/results/cost.json

Two real services run over loopback: the task as it is, and a copy of its home in which the large tier is the only one.

* **Always large**: every document is sent to both, in turn, one at a time. What the first states as ``always_large``
  is held against what the second did cost, over all documents and by their length; also apart for the documents that
  the cascade did not take to the large tier, where nothing of the estimate was measured.
* **Sum**: several connections send documents to the first. The CPU seconds that its answers were charged, taken
  together, are held against the user and system time of all its processes meanwhile, by ``/proc``.

Documents are of the training part.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.serving.mixes import TASK, alone, request_body, training_texts
from benchmarks.serving.processes import Server, gateway
from gateway.evaluation.provenance import hardware, versions
from gateway.files import write_json
from gateway.home import find_home

_LENGTHS = 3


@dataclass(frozen=True)
class Pair:
    """One document in both services: code points, money, and whether the cascade took it to the large tier."""

    characters: int
    estimated: float
    real: float
    spent: float
    reached_large: bool


def compare(cascade: Server, large: Server, texts: Sequence[str]) -> list[Pair]:
    """Send each text to both services, first the one and then the other in turn."""
    pairs = []
    for number, text in enumerate(tqdm(texts, desc="always large", file=sys.stderr)):
        body = request_body(text)
        order = (cascade, large) if number % 2 else (large, cascade)
        answers = {server.name + str(server.port): server.post(body) for server in order}
        one, other = (answers[server.name + str(server.port)] for server in (cascade, large))
        cost = one["cost"]
        reached = "large" in one["tiers"]
        pairs.append(Pair(len(text), cost["always_large"], other["cost"]["amount"], cost["amount"], reached))
    return pairs


def error_of(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The estimate's error, relative to what was really spent; the median of single documents beside the sum's."""
    if not pairs:
        return {"documents": 0}
    estimated, real = (sum(getattr(pair, name) for pair in pairs) for name in ("estimated", "real"))
    each = [pair.estimated / pair.real - 1 for pair in pairs]
    return {
        "documents": len(pairs),
        "characters": [min(pair.characters for pair in pairs), max(pair.characters for pair in pairs)],
        "estimated": estimated / len(pairs),
        "real": real / len(pairs),
        "relative_error": round(estimated / real - 1, 4),
        "median_error_of_a_document": round(statistics.median(each), 4),
        "median_absolute_error_of_a_document": round(statistics.median(map(abs, each)), 4),
    }


def by_length(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """The error of short, middling and long documents."""
    ordered = sorted(pairs, key=lambda pair: pair.characters)
    size = -(-len(ordered) // _LENGTHS)
    return [error_of(ordered[at : at + size]) for at in range(0, len(ordered), size)]


def charged(server: Server, bodies: Sequence[str], connections: int) -> tuple[list[dict[str, Any]], float]:
    """The costs of all answers, and the CPU seconds of the service's processes while they were made."""

    left: queue.SimpleQueue[str] = queue.SimpleQueue()
    for body in bodies:
        left.put(body)
    costs: list[dict[str, Any]] = []

    def send(_number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while True:
            try:
                body = left.get_nowait()
            except queue.Empty:
                return connection.close()
            connection.request("POST", "/v1/extract", body.encode(), {"Content-Type": "application/json"})
            costs.append(json.loads(connection.getresponse().read())["cost"])

    before = server.usage().cpu_seconds
    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(send, range(connections)))
    return costs, server.usage().cpu_seconds - before


def idle_share(server: Server, seconds: float = 4.0) -> float:
    """CPU seconds a second that the service spends while nobody asks it anything."""
    before = server.usage().cpu_seconds
    time.sleep(seconds)
    return (server.usage().cpu_seconds - before) / seconds


def sum_check(server: Server, bodies: Sequence[str], connections: int, price: float) -> dict[str, Any]:
    """What was charged against what was spent."""
    begun = time.monotonic()
    costs, spent = charged(server, bodies, connections)
    seconds = time.monotonic() - begun
    total = sum(cost["amount"] for cost in costs) / price
    overhead = sum(cost["overhead"] for cost in costs) / price
    return {
        "requests": len(costs),
        "connections": connections,
        "seconds": round(seconds, 1),
        "charged_cpu_seconds": round(total, 3),
        "process_cpu_seconds": round(spent, 3),
        "charged_over_spent": round(total / spent, 4),
        "overhead_share": round(overhead / total, 4),
        "overhead_ms_per_request": round(1000 * overhead / len(costs), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the receipts, as JSON Lines")
    parser.add_argument("--home", type=Path, help="the home; by default the one in use")
    parser.add_argument("--documents", type=int, default=60, help="documents of the training part (60)")
    parser.add_argument("--requests", type=int, default=240, help="requests of the sum (240), and ten times as rules")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    home = find_home(options.home).path
    texts = training_texts(home, options.data, options.documents)
    price = find_home(options.home).task(TASK).prices.cpu_second
    settings = {"queue_limit": "256", "deadline_ms": "120000"}
    with gateway(home, options.workers, **settings) as cascade:
        with alone(home, "large") as copy, gateway(copy, options.workers, **settings) as large:
            for text in texts[:3]:
                cascade.post(request_body(text))
                large.post(request_body(text))
            pairs = compare(cascade, large, texts)
        bodies = [request_body(texts[number % len(texts)]) for number in range(options.requests)]
        whole = sum_check(cascade, bodies, options.connections, price)
        rules = [request_body(texts[number % len(texts)], max_tier="rules") for number in range(10 * options.requests)]
        idle = idle_share(cascade)
        light = sum_check(cascade, rules, options.connections, price)
    figures = {
        "command": shlex.join(["python", "-m", "benchmarks.cost", *sys.argv[1:]]),
        "hardware": hardware(),
        "versions": versions(),
        "load_average": os.getloadavg()[0],
        "always_large": {
            "all": error_of(pairs),
            "not_asked": error_of([pair for pair in pairs if not pair.reached_large]),
            "asked": error_of([pair for pair in pairs if pair.reached_large]),
            "by_length": by_length(pairs),
            "cascade_over_always_large": {
                "estimated": round(sum(p.spent for p in pairs) / sum(p.estimated for p in pairs), 4),
                "real": round(sum(p.spent for p in pairs) / sum(p.real for p in pairs), 4),
            },
        },
        "sum": {"cascade": whole, "rules_only": light, "idle_cpu_seconds_a_second": round(idle, 4)},
    }
    print(json.dumps(figures, indent=2))
    if options.out is not None:
        write_json(options.out, figures)


if __name__ == "__main__":
    main()
