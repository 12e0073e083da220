"""Throughput and latency by share escalated, beside the peers, in one run; rounds are interleaved."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Plan
from benchmarks.serving.mixes import Pools, sort_texts
from benchmarks.serving.peers import ANSWER_VARIABLE
from benchmarks.serving.processes import Server, gateway, generate, peer, running
from benchmarks.serving.summary import figures, median_of

#: The task of :func:`light_home`.
LIGHT = "light"
#: The rate at which added latency is measured.
LATENCY_RATE = 100.0


@dataclass(frozen=True)
class Terms:
    """How the scenario is run; ``seconds`` for each system, case and round."""

    home: Path
    texts: Sequence[str]
    workers: int = 1
    seconds: float = 10.0
    rounds: int = 3
    connections: int = 16
    seed: int = 1


def throughput(terms: Terms) -> dict[str, Any]:
    """Run every case: documents that rules settle, documents the student sees, mixes by the share that reaches the
    large tier, a task of next to no work, and the peers. See ``ratios`` in the result for what they come to."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        light = stack.enter_context(gateway(light_home(directory / "light"), terms.workers))
        server = stack.enter_context(gateway(terms.home, terms.workers, queue_limit="10000"))
        pools = sort_texts(server, terms.texts)
        (directory / "answer.json").write_text(json.dumps(pools.answer), "utf-8")
        peers = {
            name: stack.enter_context(_peer(name, terms, directory / "answer.json"))
            for name in ("bare", "pipeline", *(["large"] if pools.large else []))
        }
        cases = _cases(server, peers, pools)
        if pools.rules:
            cases["light"] = (light, [json.dumps({**json.loads(body), "task": LIGHT}) for body in pools.rules])
        closed = {name: median_of(rounds) for name, rounds in _rounds(terms, cases, None).items()}
        slow = {name: case for name, case in cases.items() if name in ("rules", "light", "bare")}
        paced = {name: median_of(rounds) for name, rounds in _rounds(terms, slow, LATENCY_RATE).items()}
    return {"documents": pools.sizes, "closed_loop": closed, "open_loop_100": paced, "ratios": ratios(closed, paced)}


def light_home(path: Path) -> Path:
    """A home whose one task has a single cheap rule: what is left is what the gateway itself costs."""
    task = path / "rules" / LIGHT
    task.mkdir(parents=True)
    (task / "task.yaml").write_text(f"task: {LIGHT}\ntiers: [rules]\nfields:\n  total: {{type: money}}\n", "utf-8")
    (task / "total.yaml").write_text(
        "field: total\nrules:\n"
        "  - {id: total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}\n",
        "utf-8",
    )
    return path


def _peer(name: str, terms: Terms, answer: Path) -> Any:
    if name != "bare":
        return peer(name, terms.home)
    command = [sys.executable, "-m", "benchmarks.serving.peers", name, "--home", str(terms.home)]
    return running(name, [*command, "--workers", str(terms.workers)], {ANSWER_VARIABLE: str(answer)}, ready="/healthz")


def _cases(server: Server, peers: dict[str, Server], pools: Pools) -> dict[str, tuple[Server, Sequence[str]]]:
    cases: dict[str, tuple[Server, Sequence[str]]] = {}
    if pools.rules:
        cases["rules"] = (server, pools.rules)
        cases["bare"] = (peers["bare"], pools.rules)
    if pools.to_student:
        cases["student"] = (server, pools.to_student)
        cases["pipeline"] = (peers["pipeline"], pools.to_student)
    cases["p=0"] = (server, pools.mix(0.0))
    if pools.large:
        for share in (0.05, 0.2, 1.0):
            cases[f"p={share:g}"] = (server, pools.mix(share))
        cases["always-large"] = (peers["large"], pools.mix(0.05))
    return cases


def _rounds(
    terms: Terms, cases: dict[str, tuple[Server, Sequence[str]]], rate: float | None
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for number in range(terms.rounds):
        for name, (server, bodies) in cases.items():
            plan = Plan(
                "127.0.0.1",
                server.port,
                bodies,
                terms.seconds,
                rate=rate,
                connections=terms.connections,
                timeout=120.0,
                seed=terms.seed + number,
                warm_up=min(1.0, terms.seconds / 5),
            )
            before = server.usage()
            result = figures(generate(plan))
            after = server.usage()
            result["cpu_ms_per_request"] = round(
                1000 * (after.cpu_seconds - before.cpu_seconds) / max(1, result["requests"]), 3
            )
            found[name].append(result)
    return found


def ratios(closed: dict[str, Any], paced: dict[str, Any]) -> dict[str, float]:
    """The figures that the aims speak of."""

    def rate(name: str) -> float:
        value: float = closed[name]["answered_per_second"]
        return value

    found: dict[str, float] = {}
    for label, one, other in (
        ("rules_over_bare", "rules", "bare"),
        ("light_rules_over_bare", "light", "bare"),
        ("student_over_pipeline", "student", "pipeline"),
        ("cascade_p5_over_always_large", "p=0.05", "always-large"),
    ):
        if one in closed and other in closed and rate(other):
            found[label] = round(rate(one) / rate(other), 3)
    for name in ("rules", "light"):
        if name in paced and "bare" in paced:
            added = paced[name]["latency_ms"]["p99"] - paced["bare"]["latency_ms"]["p99"]
            found[f"{name}_added_p99_ms_at_100_per_second"] = round(added, 3)
    return found
