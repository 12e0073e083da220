"""Start the server on the loopback, extract one receipt over HTTP, print the answer and stop the server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300
TASK = "receipts"


def main() -> int:
    sample = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "samples" / "receipt.txt"
    text = sample.read_text("utf-8")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "gateway", "serve", "--host", "127.0.0.1", "--port", str(port)]
        print(f"starting: cascade serve --host 127.0.0.1 --port {port}")
        environment = {"CASCADE_LOG_LEVEL": "warning", **os.environ, "CASCADE_HOME": str(ROOT)}
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            began = time.monotonic()
            ready = wait_until_ready(address, server)
            if ready is None:
                log.seek(0)
                print(log.read()[-4000:], file=sys.stderr)
                print("the server did not become ready; what it wrote is above", file=sys.stderr)
                return 1
            print(f"ready after {time.monotonic() - began:.1f} s (process {server.pid})")
            print(json.dumps(ready, indent=2))
            return extract(address, text)
        finally:
            stop(server)


def free_port() -> int:
    """A TCP port of the loopback that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(address: str, server: subprocess.Popen[bytes]) -> Any:
    """What ``/readyz`` says once it answers 200; ``None`` when the server ended or took too long."""
    began, told, state = time.monotonic(), 0.0, "not listening yet"
    while (waited := time.monotonic() - began) < START_SECONDS and server.poll() is None:
        try:
            response = httpx.get(f"{address}/readyz", timeout=5)
            if response.status_code == httpx.codes.OK:
                return response.json()
            state = response.text
        except httpx.TransportError:
            state = "not listening yet"
        time.sleep(0.25)
        if waited - told >= 5:
            told = waited
            print(f"  waiting for {address}/readyz, {waited:.0f} s: {state}", flush=True)
    return None


def extract(address: str, text: str) -> int:
    """Send the text, print the request as one would type it and the answer."""
    print(f"\n{text}")
    print(f'POST {address}/v1/extract  {{"task": "{TASK}", "text": "..."}}\n')
    response = httpx.post(f"{address}/v1/extract", json={"task": TASK, "text": text}, timeout=60)
    answer = response.json()
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    if response.status_code != httpx.codes.OK:
        return 1
    print(f"\n{'field':10} {'state':9} {'tier':8} {'confidence':>10}  value")
    for name, field in answer["fields"].items():
        confidence = field.get("confidence")
        shown = "" if confidence is None else f"{confidence:.3f}"
        print(f"{name:10} {field['state']:9} {field.get('tier') or '':8} {shown:>10}  {field.get('value') or ''}")
    return 0


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, and insist after 20 seconds."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    print(f"\nserver stopped (process {server.pid}). `make serve` starts one that stays.")


if __name__ == "__main__":
    sys.exit(main())
