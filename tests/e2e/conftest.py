"""A home with a student small enough to be made here: one lookup in a table, as real ONNX with a real tokenizer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from gateway.evaluation.dataset import file_digest
from gateway.home import Home
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.tiers.forms import Forms
from gateway.tiers.rules.tier import RulesTier
from gateway.tiers.student import load_student

TASK = (
    "task: bills\nquality: 0.9\ntiers: [rules, student, large]\nfields:\n  shop: {type: text}\n  total: {type: money}\n"
)
TOTAL_RULES = """\
field: total
rules:
  - {id: after-total, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}
"""
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "MUTIARA", "LTD"]
START_SECONDS = 180.0


def write_student(directory: Path) -> None:
    """A student that marks ``MUTIARA LTD`` as shop: each word's logits stand in a table."""
    onnx = pytest.importorskip("onnx", reason="making a student needs onnx: pip install 'cascade-gateway[dev]'")
    directory.mkdir(parents=True)
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(directory / "tokenizer.json"))

    logits = np.zeros((len(VOCABULARY), 1, 3), dtype=np.float32)
    logits[:, 0, 0] = 8.0
    logits[VOCABULARY.index("MUTIARA"), 0] = (0.0, 8.0, 0.0)
    logits[VOCABULARY.index("LTD"), 0] = (0.0, 0.0, 8.0)
    helper, integer, real = onnx.helper, onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    shape = ["batch", "tokens"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"], axis=0)],
        "student",
        [helper.make_tensor_value_info(name, integer, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("logits", real, [*shape, 1, 3])],
        [onnx.numpy_helper.from_array(logits, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(directory / "model.onnx"))
    config: dict[str, Any] = {"fields": ["shop"], "window": 64, "stride": 16, "pad_id": 0, "mode": "fp32"}
    config["digests"] = {name: file_digest(directory / name) for name in ("model.onnx", "tokenizer.json")}
    (directory / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A calibrated home with rules and a student, and no large tier."""
    path = tmp_path_factory.mktemp("tiny")
    rules = path / "rules" / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text(TASK)
    (rules / "total.yaml").write_text(TOTAL_RULES)
    home = Home(path)
    task = home.task("bills")
    write_student(home.models / "bills" / "student")
    student = load_student(home.models / "bills" / "student", task, Forms())
    threshold = Threshold(0.8, True, 90, 1, 100, 0.05)
    Policy(
        "bills",
        thresholds={chain_name(chain): {name: {0.9: threshold} for name in task.fields} for chain in all_chains()},
        versions={"rules": dict(RulesTier.load(home.rules, task).field_versions), "student": student.version},
    ).save(home.models / "bills" / "policy.json")
    return home


@dataclass
class Service:
    """A running ``cascade serve``."""

    process: subprocess.Popen[bytes]
    address: str
    output: Path
    log: Path
    temporary: Path

    def client(self) -> httpx.Client:
        """A client with a connection of its own."""
        return httpx.Client(base_url=self.address, timeout=30)

    def get(self, path: str) -> httpx.Response:
        with self.client() as client:
            return client.get(path)

    def extract(self, **request: object) -> httpx.Response:
        with self.client() as client:
            return client.post("/v1/extract", json=request)

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts ``cascade serve`` with flags and waits until it is alive."""
    services: list[Service] = []
    # pytest's own directories have names too long for a socket's path.
    short = tempfile.TemporaryDirectory(prefix="cascade-test-")

    def run(home: Home, *flags: str) -> Service:
        directory = tmp_path / f"service-{len(services)}"
        temporary = Path(short.name) / str(len(services))
        directory.mkdir()
        temporary.mkdir()
        output, log = directory / "out", directory / "err"
        command = [sys.executable, "-m", "gateway", "--home", str(home.path), "serve", "--port", "0", *flags]
        with output.open("wb") as out, log.open("wb") as err:
            process = subprocess.Popen(
                command, stdout=out, stderr=err, env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
            )
        service = Service(process, "", output, log, temporary)
        services.append(service)
        deadline = time.monotonic() + START_SECONDS
        while not alive(service):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, output.read_text() + log.read_text()
            time.sleep(0.1)
        return service

    yield run
    for service in services:
        if service.process.poll() is None:
            service.process.terminate()
            try:
                service.process.wait(20)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
    short.cleanup()


def alive(service: Service) -> bool:
    """Whether it has said where it serves, and answers there."""
    said = re.search(r"^serving (http://\S+)", service.output.read_text(), re.MULTILINE)
    if said is None:
        return False
    service.address = said[1]
    try:
        return service.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.1)

    return wait
