"""A picture of the *Cost* dashboard from real data: a real gateway, a real Prometheus, the dashboard's own queries.

The picture is drawn by :mod:`benchmarks.drawing`, not by Grafana; chromium turns the page into a PNG.

    python -m benchmarks.dashboard --data ../shared/data/receipts/train.jsonl --requests 150 --seconds 90
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.drawing import page
from benchmarks.serving.mixes import TASK, request_body
from benchmarks.serving.processes import Server, gateway
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "deploy" / "prometheus"
STEP_SECONDS = 15
#: The rows of the dashboard that are drawn, from the top.
ROWS = 2
WARM_UP = 20
#: Not trained on, and no part that something was certified or measured on.
PART = "development"


def main() -> int:
    arguments = parse()
    for program in ("prometheus", "chromium"):
        if shutil.which(program) is None:
            print(f"needs {program}", file=sys.stderr)
            return 2
    split = Split.load(ROOT / "models" / TASK / "split.json")
    texts = [document.text for document in split.select(read_dataset(arguments.data), PART)]
    random.Random(arguments.seed).shuffle(texts)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with (
            gateway(ROOT, 2, instance_price_per_hour="0.10") as server,
            prometheus(directory, server.port, arguments.port) as address,
        ):
            load(server, texts, WARM_UP, 3)
            time.sleep(3)  # counters are scraped before what is shown
            began = time.time()
            load(server, texts, arguments.requests, arguments.seconds)
            time.sleep(3)
            board = json.loads((ROOT / "deploy/grafana/dashboards/cost.json").read_text("utf-8"))
            html, width, height = page(board["title"], answers(board, address, began, time.time()))
        (directory / "page.html").write_text(html, "utf-8")
        shoot(directory / "page.html", arguments.out, width, height)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled receipts; only the development part is used")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=100, help="the load is spread over so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=19090, help="Prometheus' port on the loopback")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "dashboard.png")
    return parser.parse_args()


@contextmanager
def prometheus(directory: Path, target: int, port: int) -> Iterator[str]:
    """A Prometheus with the committed rules that scrapes every second."""
    config: dict[str, Any] = yaml.safe_load((SOURCE / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for name in config["rule_files"]:
        rules = yaml.safe_load((SOURCE / name).read_text("utf-8"))
        for group in rules["groups"]:
            group.pop("interval", None)
        (directory / name).write_text(yaml.safe_dump(rules))
    (directory / "targets.yml").write_text(yaml.safe_dump([{"targets": [f"127.0.0.1:{target}"]}]))
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        while not ready(address):
            if process.poll() is not None:
                raise SystemExit("prometheus ended; is the port taken?")
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def load(server: Server, texts: Sequence[str], requests: int, seconds: float) -> None:
    """Spread the requests evenly, a few at a time."""
    began = time.monotonic()

    def ask(number: int) -> None:
        time.sleep(max(0.0, began + seconds * number / requests - time.monotonic()))
        server.post(request_body(texts[number % len(texts)]))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(requests)))


def answers(board: Any, address: str, began: float, ended: float) -> list[tuple[Any, list[tuple[str, Any]]]]:
    """The first rows' panels with what Prometheus answers to their queries."""
    found: list[tuple[Any, list[tuple[str, Any]]]] = []
    rows = 0
    for panel in board["panels"]:
        rows += panel["type"] == "row"
        if rows > ROWS:
            break
        asked = []
        for target in panel.get("targets", ()):
            expr = target["expr"].replace("$task", ".*").replace("$__rate_interval", f"{STEP_SECONDS}s")
            expr = expr.replace("$__range", f"{round(ended - began) + 3}s")
            if target.get("instant"):
                asked.append((target["legendFormat"], ask_prometheus(address, "query", query=expr, time=ended)))
            else:
                window = {"start": began + STEP_SECONDS / 2, "end": ended - 2, "step": 1}
                asked.append((target["legendFormat"], ask_prometheus(address, "query_range", query=expr, **window)))
        found.append((panel, asked))
    return found


def ask_prometheus(address: str, what: str, **parameters: Any) -> Any:
    body = urllib.parse.urlencode(parameters).encode()
    with urllib.request.urlopen(f"{address}/api/v1/{what}", data=body, timeout=60) as answer:
        return json.load(answer)["data"]["result"]


def shoot(html: Path, out: Path, width: int, height: int) -> None:
    """The page as a PNG."""
    out.parent.mkdir(parents=True, exist_ok=True)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--window-size={width},{height}", f"--screenshot={out.resolve()}", html.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
