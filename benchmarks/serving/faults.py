"""Overload, a long mixed load, and processes killed under load."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Plan, Result
from benchmarks.serving.processes import Server, Usage, gateway, generate
from benchmarks.serving.summary import figures


def _plan(server: Server, bodies: Sequence[str], seconds: float, **options: Any) -> Plan:
    return Plan("127.0.0.1", server.port, bodies, seconds, **options)


def overload(
    home: Path,
    bodies: Sequence[str],
    *,
    seconds: float,
    workers: int = 2,
    times: float = 10.0,
    connections: int = 32,
    **settings: str,
) -> dict[str, Any]:
    """Measure capacity before and after asking for ``times`` as much: what is still served in full, how fast the rest
    is refused, and what memory does meanwhile.

    Capacity is measured with as many connections as keep the service busy without filling it, by the same generator. It
    is the mean of before and after: the machine may have been faster at one time than at the other.
    """
    with gateway(home, workers, **settings) as server:
        generate(_plan(server, bodies, min(5.0, seconds), connections=connections))
        before = _measured(server, bodies, seconds, connections=connections)
        rate = times * before["answered_per_second"]
        usage: list[Usage] = []
        found = _measured(server, bodies, seconds, usage, rate=rate)
        after = _measured(server, bodies, seconds, connections=connections)
    capacity = (before["answered_per_second"] + after["answered_per_second"]) / 2
    return {
        "capacity": {"before": before, "after": after},
        "offered_per_second": round(rate, 1),
        "overload": found,
        "served_share_of_capacity": round(found["answered_per_second"] / max(1e-9, capacity), 3),
        "memory_mib": {"first": usage[0].memory_mib, "last": usage[-1].memory_mib, "most": _most(usage)},
    }


def _measured(
    server: Server, bodies: Sequence[str], seconds: float, usage: list[Usage] | None = None, **options: Any
) -> dict[str, Any]:
    """The figures of a load, with the service's CPU seconds a second; ``usage`` is told what it holds meanwhile."""
    watched: list[Usage] = [] if usage is None else usage
    first = server.usage()
    found = figures(generate(_plan(server, bodies, seconds, **options), lambda: _watch(server, seconds, watched)))
    return {**found, "service_cpu": round((server.usage().cpu_seconds - first.cpu_seconds) / seconds, 3)}


def _most(usage: Sequence[Usage]) -> float:
    return max(one.memory_mib for one in usage)


def _watch(server: Server, seconds: float, usage: list[Usage]) -> None:
    until = time.monotonic() + seconds
    while True:
        usage.append(server.usage())
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, max(0.5, seconds / 60)))


def soak(home: Path, bodies: Sequence[str], *, seconds: float, rate: float, workers: int = 2) -> dict[str, Any]:
    """A steady mixed load: memory, handles and latency in each tenth of the time."""
    with gateway(home, workers) as server:
        generate(_plan(server, bodies, min(10.0, seconds), connections=8))
        usage: list[Usage] = []
        result = generate(_plan(server, bodies, seconds, rate=rate), lambda: _watch(server, seconds, usage))
    tenths = [
        figures(
            Result([sample for sample in result.samples if part <= sample.due / seconds * 10 < part + 1], seconds / 10)
        )
        for part in range(10)
    ]
    step = max(1, len(usage) // 10)
    return {
        "rate": rate,
        "whole": figures(result),
        "tenths": [{key: tenth.get(key) for key in ("requests", "latency_ms", "statuses")} for tenth in tenths],
        "usage": [asdict(one) for one in usage[::step]],
        "growth_mib": round(usage[-1].memory_mib - usage[len(usage) // 10].memory_mib, 1),
        "growth_handles": usage[-1].handles - usage[len(usage) // 10].handles,
    }


def kill(home: Path, bodies: Sequence[str], *, seconds: float, rate: float) -> dict[str, Any]:
    """With two workers under load: kill -9 one, kill -9 the inference process, then end the service with SIGTERM. Each
    on a service of its own."""
    return {
        "worker": _kill_one("worker-1", home, bodies, seconds, rate),
        "inference": _kill_one("inference", home, bodies, seconds, rate),
        "sigterm": _terminate(home, bodies, seconds, rate),
    }


def _kill_one(name: str, home: Path, bodies: Sequence[str], seconds: float, rate: float) -> dict[str, Any]:
    recovered: list[float] = []

    def strike() -> None:
        time.sleep(seconds / 4)
        os.kill(process_ids(server)[name], signal.SIGKILL)
        struck = time.monotonic()
        while time.monotonic() - struck < 60:
            time.sleep(0.1)
            if _is_back(server, name):
                recovered.append(round(time.monotonic() - struck, 2))
                return

    with gateway(home, 2, log_level="info") as server:
        result = generate(_plan(server, bodies, seconds, rate=rate), strike)
    return {**figures(result), "recovered_seconds": recovered[0] if recovered else None}


def process_ids(server: Server) -> dict[str, int]:
    """The service's children by name, as its log tells: the latest of each."""
    started = [line for line in server.log_lines() if line.get("message") == "process started"]
    return {line["process"]: line["pid"] for line in started}


def _is_back(server: Server, name: str) -> bool:
    restarted = any(
        line.get("message") == "process started" and line.get("process") == name and line.get("restarts")
        for line in server.log_lines()
    )
    try:
        return restarted and all(server.get("/readyz")[0] == 200 for _ in range(8))
    except OSError:
        return False


def _terminate(home: Path, bodies: Sequence[str], seconds: float, rate: float) -> dict[str, Any]:
    def terminate() -> None:
        time.sleep(seconds / 2)
        server.process.terminate()

    with gateway(home, 2, log_level="info") as server:
        result = generate(_plan(server, bodies, seconds, rate=rate), terminate)
        code = server.process.wait(60)
    # One that could not connect is not lost: its client knows that nobody has its request, and asks elsewhere.
    return {**figures(result), "exit_code": code}
