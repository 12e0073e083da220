"""What the gateway is compared with, each a small service of the kind people write by hand.

* ``bare``: a FastAPI route that checks the same request and answers a constant of the same size: what the framework
  itself costs.
* ``pipeline``: FastAPI around a transformers pipeline for token classification, on the student's base model with as
  many layers, in float32 as it comes; the usual first way to serve such a model.
* ``large``: the gateway's own large tier asked for every document, with its queue and lanes but no cascade.

Start one with ``python -m benchmarks.serving.peers NAME --home DIR``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

NAMES = ("bare", "pipeline", "large")
TASK = "receipts"
#: Holds the answer that ``bare`` gives, as the gateway gave it.
ANSWER_VARIABLE = "BENCHMARK_ANSWER"
#: Logit by which an untrained head prefers "no field": few tokens are marked, as a trained one would, so that the
#: pipeline's own grouping of tokens costs no more than it should.
_OUTSIDE_BIAS = 4.0


class Extract(BaseModel):
    """The keys of an extraction request that the load uses."""

    model_config = ConfigDict(extra="forbid")

    task: str
    text: str
    max_tier: str | None = None
    quality: float | None = None


def bare() -> FastAPI:
    """Answers a constant."""
    app = FastAPI()
    answer: dict[str, Any] = json.loads(Path(os.environ[ANSWER_VARIABLE]).read_text("utf-8"))

    @app.post("/v1/extract")
    async def extract(_request: Extract) -> dict[str, Any]:
        return answer

    return app


def pipeline(home: Path) -> FastAPI:
    """A transformers pipeline in FastAPI's thread pool."""
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer
    from transformers import pipeline as make_pipeline

    from gateway.bases import load_bases
    from gateway.bases.store import base_directory
    from gateway.home import Home
    from gateway.tiers.student import TaggerConfig

    spec = Home(home).task(TASK)
    config = TaggerConfig.load(home / "models" / TASK / "student")
    base = base_directory(Home(home).cache, load_bases(Home(home))[config.raw["base"]])
    labels = ["O", *(f"{mark}-{name}" for name in spec.fields for mark in "BI")]
    shape = AutoConfig.from_pretrained(base)
    shape.num_hidden_layers = config.raw["layers"]
    shape.id2label, shape.label2id = dict(enumerate(labels)), {label: index for index, label in enumerate(labels)}
    model = AutoModelForTokenClassification.from_pretrained(base, config=shape)
    with torch.no_grad():
        model.classifier.bias[0] = _OUTSIDE_BIAS
    tokenizer = AutoTokenizer.from_pretrained(base, model_max_length=config.window)
    tag: Any = make_pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple")
    app = FastAPI()

    @app.post("/v1/extract")
    def extract(request: Extract) -> list[dict[str, Any]]:
        return [{**entity, "score": float(entity["score"])} for entity in tag(request.text)]

    return app


def large(home: Path) -> FastAPI:
    """The large tier alone."""
    from gateway.document import Document
    from gateway.home import Home
    from gateway.inference.batching import Limits
    from gateway.inference.cpus import available_cpus
    from gateway.inference.local import LocalInference, model_loader
    from gateway.inference.shares import shares
    from gateway.inference.wire import output_json

    found = Home(home)
    fields = list(found.task(TASK).fields)
    parts = shares(available_cpus())
    inference = LocalInference(
        found, tasks=[TASK], load=model_loader(shares=parts), limits=Limits(10_000), shares=parts
    )
    app = FastAPI()

    @app.post("/v1/extract")
    async def extract(request: Extract) -> dict[str, Any]:
        (output,) = await inference.propose(TASK, "large", [Document(request.text)], fields)
        return output_json(output)

    return app


def main() -> None:
    """Serve one peer on a free port, which is printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    apps: dict[str, Callable[[], FastAPI]] = {
        "bare": bare,
        "pipeline": lambda: pipeline(arguments.home),
        "large": lambda: large(arguments.home),
    }
    made = apps[arguments.name]()

    @made.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    children = _fork(arguments.workers - 1)
    server = uvicorn.Server(uvicorn.Config(made, access_log=False, log_level="warning", timeout_graceful_shutdown=2))
    try:
        server.run(sockets=[listening])
    finally:
        for child in children:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)


def _fork(count: int) -> list[int]:
    """So many more processes that go on from here; their ids in the first one, nothing in the others."""
    children: list[int] = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            return []
        children.append(child)
    return children


if __name__ == "__main__":
    main()
