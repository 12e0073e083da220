"""What counting and tracing cost: requests per second with each on and off.

    python -m benchmarks.instrumentation --data ../shared/data/receipts/train.jsonl \\
        --out benchmarks/results/instrumentation.json

One service for each variant, all in the same run: as it comes (metrics on, traces off), without metrics, and with every
request traced to a collector that takes what it is sent and forgets it. Closed loops over loopback, from a process of
its own; the variants take turns, and who begins moves on from round to round. Figures are medians over rounds, and
ratios of rates within a round. ``light`` is a task with one cheap rule, where whatever is spent on a request shows the
most; ``rules`` are receipts that rules alone answer. CPU time of a request, by ``/proc``, says the same on a machine
that others use too.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import shlex
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.serving.load import Plan
from benchmarks.serving.mixes import request_body, training_texts
from benchmarks.serving.processes import Server, gateway, generate
from benchmarks.serving.throughput import LIGHT, light_home
from gateway.evaluation.provenance import hardware, versions
from gateway.files import write_json
from gateway.home import find_home

VARIANTS = ("as it comes", "metrics off", "traces on")
_BODIES = 200


class _Sink(http.server.BaseHTTPRequestHandler):
    """Takes spans and forgets them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def sink() -> Iterator[str]:
    """The address of a collector."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings_of(variant: str) -> dict[str, str]:
    """A variant's settings."""
    if variant == "metrics off":
        return {"metrics": "off"}
    return {"traces": "otlp"} if variant == "traces on" else {}


def measure(server: Server, bodies: Sequence[str], seconds: float, connections: int) -> dict[str, float]:
    """Requests a second, and CPU microseconds of one, in a closed loop."""
    plan = Plan("127.0.0.1", server.port, bodies, seconds, connections=connections)
    before = server.usage().cpu_seconds
    result = generate(plan)
    spent = server.usage().cpu_seconds - before
    answered = sum(1 for sample in result.samples if sample.status == 200)
    if answered < len(result.samples):
        raise RuntimeError(f"{server.name}: {len(result.samples) - answered} requests were not answered")
    return {"rate": answered / result.seconds, "cpu_us": 1e6 * spent / answered}


def compare(rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Medians of each variant, and of its ratios to the service as it comes."""
    base = VARIANTS[0]
    found: dict[str, Any] = {}
    for variant in VARIANTS:
        rates = [one[variant]["rate"] for one in rounds]
        ratios = [one[variant]["rate"] / one[base]["rate"] for one in rounds]
        cpu = [one[variant]["cpu_us"] / one[base]["cpu_us"] for one in rounds]
        found[variant] = {
            "requests_per_second": round(statistics.median(rates), 1),
            "cpu_us_per_request": round(statistics.median(one[variant]["cpu_us"] for one in rounds), 1),
            "rate_ratio": round(statistics.median(ratios), 4),
            "rate_ratio_range": [round(min(ratios), 4), round(max(ratios), 4)],
            "cpu_ratio": round(statistics.median(cpu), 4),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the receipts, as JSON Lines")
    parser.add_argument("--home", type=Path, help="the home; by default the one in use")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    home = find_home(options.home).path
    texts = training_texts(home, options.data, _BODIES)
    cases = {
        "light": [json.dumps({**json.loads(request_body(text)), "task": LIGHT}) for text in texts],
        "rules": [request_body(text, max_tier="rules") for text in texts],
    }
    figures: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "benchmarks.instrumentation", *sys.argv[1:]]),
        "hardware": hardware(),
        "versions": versions(),
        "workers": options.workers,
    }
    with ExitStack() as stack:
        # Only the service that traces looks at it.
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.enter_context(sink())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cascade-instrumentation-")))
        homes = {"light": light_home(directory / "light"), "rules": home}
        for case, bodies in cases.items():
            with ExitStack() as services:
                servers = {
                    variant: services.enter_context(
                        gateway(homes[case], options.workers, large="off", **settings_of(variant))
                    )
                    for variant in VARIANTS
                }
                for server in servers.values():
                    measure(server, bodies, 1.0, options.connections)
                rounds = []
                for number in tqdm(range(options.rounds), desc=case, file=sys.stderr):
                    first = number % len(VARIANTS)
                    order = VARIANTS[first:] + VARIANTS[:first]
                    rounds.append(
                        {name: measure(servers[name], bodies, options.seconds, options.connections) for name in order}
                    )
            figures[case] = compare(rounds)
    print(json.dumps(figures, indent=2))
    if options.out is not None:
        write_json(options.out, figures)


if __name__ == "__main__":
    main()
