"""Audits of real answers: a running service, its accepted answers, and a person who knows the truth.

    python -m benchmarks.real_audits --data ../shared/data/receipts/train.jsonl \\
        --out benchmarks/results/real-audits.json

Labelled documents that nothing was made from are sent to the gateway over HTTP in random order. Every accepted answer
is drawn for an audit, and the label is sent to ``/v1/feedback`` as a person's judgement. After each document the
metric ``cascade_quality_doubt`` says whether a promise is in doubt.

* ``as they are``: documents as they were scanned. A doubt is a false one where the promise is kept (its part of the
  mix of merchants it was measured on is ``validation-seen``; ``validation-unseen`` is another mix, which the promise
  does not cover).
* ``misread``: after all of them they come again, with digits misread for ones that look alike, while the labels stay:
  the scanner has become worse, and rules and models go on as if nothing had happened.

Each order begins with an empty audit database. Orders are shuffles of the same documents, so that they are not
independent: ``runs`` says how often something happened in them, and no interval is stated.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shlex
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.serving.processes import Server, gateway
from gateway.evaluation.dataset import LabelledDocument, read_dataset
from gateway.evaluation.provenance import hardware, versions
from gateway.evaluation.split import Split
from gateway.files import write_json
from gateway.home import find_home

PARTS = ("validation-seen", "validation-unseen")
#: Digits that are misread for each other.
ALIKE = {"0": "8", "1": "7", "2": "7", "3": "8", "4": "9", "5": "6", "6": "5", "7": "1", "8": "3", "9": "4"}
_DOUBT = re.compile(r'^cascade_quality_doubt\{[^}]*field="([^"]*)"[^}]*\} 1\.0$', re.MULTILINE)
_PATIENCE = 10.0


@dataclass
class Stream:
    """What happened to one stream of documents: audits answered, wrong answers among them, and the fields in doubt."""

    documents: int = 0
    audits: int = 0
    wrong: int = 0
    noticed_after: int | None = None
    fields: list[str] = field(default_factory=list)


def misread(text: str, share: float, rng: random.Random) -> str:
    """``text`` with a share of its digits read as ones that look alike."""
    return "".join(ALIKE[char] if char in ALIKE and rng.random() < share else char for char in text)


def send(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The JSON answer to a JSON request."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def judge(server: Server, task: str, identifier: str, name: str, label: str) -> bool:
    """Send a person's judgement once the question has been written down; whether the answer was right.

    Raises:
        TimeoutError: no question was asked.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found = send(server, "/v1/feedback", {"task": task, "id": identifier, "field": name, "value": label})
        if found["audit"]:
            return bool(found["agree"])
        time.sleep(0.02)
    raise TimeoutError(f"no audit of {name} of {identifier} was drawn")


def carry_out(
    server: Server, task: str, documents: Sequence[LabelledDocument], texts: Sequence[str], mark: str
) -> Stream:
    """Send documents one by one, judge what is accepted, and look for doubts; ends with the first."""
    stream = Stream()
    for document, text in zip(documents, texts, strict=True):
        identifier = f"{document.id}#{mark}"
        answer = send(server, "/v1/extract", {"task": task, "text": text, "id": identifier})
        stream.documents += 1
        for name, given in answer["fields"].items():
            label = document.labels.get(name)
            if given["state"] != "accepted" or given["guarantee"] is None or not isinstance(label, str):
                continue
            stream.audits += 1
            stream.wrong += not judge(server, task, identifier, name, label)
        stream.fields = sorted(set(_DOUBT.findall(server.get("/metrics")[1].decode())))
        if stream.fields:
            stream.noticed_after = stream.audits
            break
    return stream


def run(home: Path, task: str, documents: Sequence[LabelledDocument], share: float, seed: int) -> tuple[Stream, Stream]:
    """One order: the documents as they are, then misread, on one service with an empty audit database."""
    rng = random.Random(seed)
    order = rng.sample(list(documents), len(documents))
    with tempfile.TemporaryDirectory(prefix="cascade-audits-") as state:
        settings = {"audit_share": "1", "audit_by": "person", "state": state}
        with gateway(home, 1, **settings) as server:
            plain = carry_out(server, task, order, [document.text for document in order], "plain")
        again = rng.sample(order, len(order))
        worse = [misread(document.text, share, rng) for document in again]
        # A doubt that was raised by then would hide the next one.
        if plain.fields:
            return plain, Stream()
        with gateway(home, 1, **settings) as server:
            return plain, carry_out(server, task, again, worse, "misread")


def summary(streams: Sequence[Stream]) -> dict[str, Any] | None:
    """What happened in all orders; nothing where there was none."""
    if not streams:
        return None
    noticed = [stream.noticed_after for stream in streams if stream.noticed_after is not None]
    audits = sum(stream.audits for stream in streams)
    return {
        "runs": len(streams),
        "documents_a_run": round(statistics.mean(stream.documents for stream in streams), 1),
        "audits_a_run": round(statistics.mean(stream.audits for stream in streams), 1),
        "wrong_share": round(sum(stream.wrong for stream in streams) / max(1, audits), 4),
        "in_doubt": len(noticed),
        "median_audits_until_doubt": statistics.median(noticed) if noticed else None,
        "most_audits_until_doubt": max(noticed, default=None),
        "fields": sorted({name for stream in streams for name in stream.fields}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="receipts")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=10, help="random orders of each part")
    parser.add_argument("--misread", type=float, default=0.05, help="share of digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    home = find_home(None)
    split = Split.load(home.models / options.task / "split.json")
    every = read_dataset(options.data)
    results: dict[str, Any] = {}
    for part in PARTS:
        documents = split.select(every, part)
        runs = [
            run(home.path, options.task, documents, options.misread, options.seed + number)
            for number in tqdm(range(options.runs), desc=part, unit="order")
        ]
        results[part] = {
            "as they are": summary([plain for plain, _ in runs]),
            "misread": summary([worse for _, worse in runs if worse.documents])
            if any(w.documents for _, w in runs)
            else None,
        }
    write_json(
        options.out,
        {
            "what": "real answers of a running service, audited by their labels; see benchmarks/real_audits.py",
            "command": shlex.join(["python", "-m", "benchmarks.real_audits", *sys.argv[1:]]),
            "hardware": hardware(),
            "versions": versions(),
            "task": options.task,
            "seed": options.seed,
            "misread_digits": options.misread,
            "results": results,
        },
    )


if __name__ == "__main__":
    main()
