"""Which documents make up the load: sorted by how far the cascade really takes each of them."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.serving.processes import Server
from gateway.document import TierName
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split

TASK = "receipts"
#: Bodies of a mix; more would only repeat documents.
_SIZE = 400


@dataclass(frozen=True)
class Pools:
    """Request bodies by the last tier that the gateway asked, on the task's own terms, and the answer to one."""

    rules: Sequence[str]
    student: Sequence[str]
    large: Sequence[str]
    answer: dict[str, Any]

    @property
    def sizes(self) -> dict[str, int]:
        """Documents in each pool."""
        return {"rules": len(self.rules), "student": len(self.student), "large": len(self.large)}

    @property
    def to_student(self) -> list[str]:
        """What rules do not settle, with the student as the last tier."""
        return [json.dumps({**json.loads(body), "max_tier": "student"}) for body in (*self.student, *self.large)]

    def mix(self, large_share: float, seed: int = 1) -> list[str]:
        """Bodies of which ``large_share`` reach the large tier; the others keep their own proportions.

        Raises:
            ValueError: no document of a kind that is needed.
        """
        chosen = random.Random(seed)
        others = [*self.rules, *self.student]
        count = round(large_share * _SIZE)
        if (count and not self.large) or (count < _SIZE and not others):
            raise ValueError("the documents do not hold what this mix needs: take more of them")
        return [chosen.choice(self.large) for _ in range(count)] + [chosen.choice(others) for _ in range(_SIZE - count)]


def request_body(text: str, **terms: Any) -> str:
    """An extraction request."""
    return json.dumps({"task": TASK, "text": text, **terms}, ensure_ascii=False)


def training_texts(home: Path, data: Path, limit: int) -> list[str]:
    """Texts of the training part, the first ``limit``: no other part is looked at."""
    split = Split.load(home / "models" / TASK / "split.json")
    return [document.text for document in split.select(read_dataset(data), "train")][:limit]


def sort_texts(server: Server, texts: Sequence[str]) -> Pools:
    """Ask a running gateway for each text once."""
    pools: dict[str, list[str]] = {"rules": [], "student": [], "large": []}
    answer: dict[str, Any] = {}
    for text in texts:
        body = request_body(text)
        found = server.post(body)
        last = found["tiers"][-1]
        pools[last].append(body)
        if last == "rules" or not answer:
            answer = found
    return Pools(pools["rules"], pools["student"], pools["large"], answer)


@contextmanager
def alone(home: Path, tier: TierName) -> Iterator[Path]:
    """A home like ``home`` in which the task has one tier; models are those of the original."""
    with tempfile.TemporaryDirectory(prefix=f"cascade-{tier}-") as directory:
        copy = Path(directory)
        shutil.copytree(home / "rules", copy / "rules")
        (copy / "models").symlink_to(home.absolute() / "models")
        path = copy / "rules" / TASK / "task.yaml"
        task = yaml.safe_load(path.read_text("utf-8"))
        path.write_text(yaml.safe_dump({**task, "tiers": [tier]}), "utf-8")
        yield copy
