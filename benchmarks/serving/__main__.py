"""``python -m benchmarks.serving``: run scenarios and write what was measured.

    python -m benchmarks.serving --scenario throughput --data ../shared/data/receipts/train.jsonl \\
        --out benchmarks/results/serving-throughput.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving.faults import kill, overload, soak
from benchmarks.serving.mixes import Pools, alone, request_body, sort_texts, training_texts
from benchmarks.serving.processes import gateway
from benchmarks.serving.throughput import Terms, throughput
from gateway.evaluation.provenance import command_line, hardware, versions
from gateway.files import write_json

SCENARIOS = ("throughput", "overload", "soak", "kill")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenario", choices=SCENARIOS, required=True)
    parser.add_argument("--home", type=Path, default=Path.cwd())
    parser.add_argument("--data", type=Path, required=True, help="labelled receipts; only the training part is read")
    parser.add_argument("--documents", type=int, default=200, help="how many of them")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement; the whole time for soak")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second, for soak and kill")
    parser.add_argument("--times", type=float, default=10.0, help="of the capacity, for overload")
    parser.add_argument("--share", type=float, default=0.05, help="of requests that reach the large tier")
    parser.add_argument(
        "--pool", choices=("mix", "student", "rules"), default="mix", help="overload: how far its documents are taken"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    return parser.parse_args(arguments)


def main() -> None:
    """Run one scenario."""
    arguments = parse()
    home = arguments.home.resolve()
    texts = training_texts(home, arguments.data, arguments.documents)
    found = run(arguments, home, texts)
    result = {
        "scenario": arguments.scenario,
        "command": "python -m benchmarks.serving " + command_line(sys.argv).partition(" ")[2],
        "hardware": hardware(),
        "versions": versions(),
        "seed": arguments.seed,
        **found,
    }
    if arguments.out:
        write_json(arguments.out, result)
    print(json.dumps(result, indent=2))


def run(arguments: argparse.Namespace, home: Path, texts: Sequence[str]) -> dict[str, Any]:
    """The scenario's own part of the result."""
    if arguments.scenario == "throughput":
        terms = Terms(
            home,
            texts,
            workers=arguments.workers,
            seconds=arguments.seconds,
            rounds=arguments.rounds,
            connections=arguments.connections,
            seed=arguments.seed,
        )
        return throughput(terms)
    if arguments.pool == "student":
        with alone(home, "student") as only:
            return _scenario(arguments, only, texts)
    return _scenario(arguments, home, texts)


def _scenario(arguments: argparse.Namespace, home: Path, texts: Sequence[str]) -> dict[str, Any]:
    bodies: list[str]
    if arguments.pool == "student":
        bodies = [request_body(text) for text in texts]
        sizes = {"student": len(bodies)}
    elif arguments.pool == "rules":
        bodies = [request_body(text, max_tier="rules") for text in texts]
        sizes = {"rules": len(bodies)}
    else:
        pools = _sorted(home, texts)
        bodies, sizes = pools.mix(arguments.share if pools.large else 0.0, arguments.seed), pools.sizes
    scenarios = {
        "overload": lambda: overload(
            home,
            bodies,
            seconds=arguments.seconds,
            workers=max(1, arguments.workers),
            times=arguments.times,
            connections=arguments.connections,
        ),
        "soak": lambda: soak(
            home, bodies, seconds=arguments.seconds, rate=arguments.rate, workers=max(1, arguments.workers)
        ),
        "kill": lambda: kill(home, bodies, seconds=arguments.seconds, rate=arguments.rate),
    }
    return {"documents": sizes, **scenarios[arguments.scenario]()}


def _sorted(home: Path, texts: Sequence[str]) -> Pools:
    with gateway(home, 1) as server:
        return sort_texts(server, texts)


if __name__ == "__main__":
    main()
