"""Processes under measurement: the gateway and its peers, each on a port of its own; and the generator."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Plan, Result, Sample

_START_SECONDS = 300.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def process_ids(self) -> list[int]:
        """Its process and all of that's descendants."""
        return [self.process.pid, *descendants(self.process.pid)]

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def post(self, body: str) -> dict[str, Any]:
        """The answer to one extraction request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/extract",
            data=body.encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def usage(self) -> Usage:
        """What all of its processes hold and have used now."""
        return Usage.of(self.process_ids)

    def log_lines(self) -> list[dict[str, Any]]:
        """Its log so far; lines that are not JSON are left out."""
        lines: list[dict[str, Any]] = []
        for line in self.log.read_text("utf-8", "replace").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines


@dataclass(frozen=True)
class Usage:
    """Proportional memory in MiB, open file handles, CPU seconds, threads and processes."""

    memory_mib: float
    handles: int
    cpu_seconds: float
    threads: int
    processes: int

    @classmethod
    def of(cls, process_ids: Sequence[int]) -> Usage:
        """Of several processes together; those that ended meanwhile count nothing."""
        memory, handles, cpu, threads, alive = 0.0, 0, 0.0, 0, 0
        for process_id in process_ids:
            root = Path("/proc") / str(process_id)
            try:
                rollup = (root / "smaps_rollup").read_text()
                handles += len(os.listdir(root / "fd"))
                fields = (root / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
            memory += int(found[1]) / 1024 if found else 0.0
            cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            threads += int(fields[17])
            alive += 1
        return cls(round(memory, 1), handles, round(cpu, 2), threads, alive)


def descendants(process_id: int) -> list[int]:
    """Process ids of all children of a process, and theirs."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{process_id}/task")
        children = [
            int(child)
            for task in tasks
            for child in Path(f"/proc/{process_id}/task/{task}/children").read_text().split()
        ]
    except OSError:
        return found
    for child in children:
        found += [child, *descendants(child)]
    return found


@contextmanager
def running(
    name: str, command: Sequence[str], environment: Mapping[str, str] | None = None, *, ready: str = "/readyz"
) -> Iterator[Server]:
    """Start a server that prints ``http://host:port`` and wait until ``ready`` answers 200; stop it at the end.

    Raises:
        RuntimeError: it ended or was not ready in time; with its log.
    """
    with tempfile.TemporaryDirectory(prefix="cascade-bench-") as directory:
        output, log = Path(directory) / "out", Path(directory) / "err"
        variables = {**os.environ, "TMPDIR": directory, "PYTHONUNBUFFERED": "1", **(environment or {})}
        with output.open("wb") as out, log.open("wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, env=variables)
        try:
            yield _ready(name, process, output, log, ready)
        finally:
            _stop(process)


def _ready(name: str, process: subprocess.Popen[bytes], output: Path, log: Path, ready: str) -> Server:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        said = re.search(r"http://[^:\s]+:(\d+)", output.read_text() + log.read_text())
        if said:
            server = Server(name, process, int(said[1]), log)
            try:
                if server.get(ready)[0] == 200:
                    return server
            except OSError:
                pass  # not yet
        time.sleep(0.1)
    _stop(process)
    raise RuntimeError(f"{name} did not start:\n{output.read_text()}{log.read_text()}"[-4000:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def gateway(home: Path, workers: int, **settings: str) -> Any:
    """A context manager: the gateway itself."""
    command = [sys.executable, "-m", "gateway", "--home", str(home), "serve", "--port", "0", "--workers", str(workers)]
    environment = {f"CASCADE_{name.upper()}": value for name, value in settings.items()}
    return running("gateway", command, {"CASCADE_LOG_LEVEL": "warning", **environment})


def peer(name: str, home: Path, workers: int = 1) -> Any:
    """A context manager: one of :mod:`benchmarks.serving.peers`."""
    command = [sys.executable, "-m", "benchmarks.serving.peers", name, "--home", str(home), "--workers", str(workers)]
    return running(name, command, ready="/healthz")


def generate(plan: Plan, during: Callable[[], None] | None = None) -> Result:
    """Carry out a plan in a process of its own; ``during`` is called when the load begins, and runs beside it.

    Raises:
        RuntimeError: the generator failed.
    """
    command = [sys.executable, "-m", "benchmarks.serving.load"]
    with tempfile.TemporaryFile("w+") as plan_file:
        json.dump(asdict(plan), plan_file)
        plan_file.seek(0)
        process = subprocess.Popen(command, stdin=plan_file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            begun = process.stdout.readline()
            if during is not None and begun:
                during()
            output, errors = process.communicate(timeout=plan.seconds + plan.warm_up + plan.timeout + 120)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"the load generator failed:\n{errors[-2000:]}")
    raw = json.loads(output)
    return Result([Sample(*sample) for sample in raw["samples"]], raw["seconds"], raw["cpu_seconds"])
