from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.document import Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.inference.local import LoadedTier, LocalInference
from gateway.task import TaskSpec

TASK = "task: bills\nfields:\n  shop: {type: text}\n"


@dataclass
class EchoTier:
    """Proposes the whole text; ``gate`` holds it up, ``error`` makes it fail."""

    name: TierName
    version: str
    gate: threading.Event | None = None
    error: Exception | None = None
    calls: list[str] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        self.calls.extend(document.text for document in documents)
        self.threads.add(threading.current_thread().name)
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return [
            TierOutput(
                {
                    name: Proposal(
                        (Candidate(document.text, document.text, "x", ((0, len(document.text)),), 0.5, self.name),)
                    )
                    for name in fields
                },
                Work(0.25, 0.5, len(document.text), len(documents)),
            )
            for document in documents
        ]


@dataclass
class Told:
    """A queue listener that remembers."""

    depths: list[tuple[str, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def queue_depth(self, tier: TierName, depth: int) -> None:
        self.depths.append((tier, depth))

    def queue_batch(self, tier: TierName, size: int, waited: Sequence[float]) -> None:
        assert len(waited) == size
        assert min(waited) >= 0
        self.batches.append(size)

    def queue_refused(self, tier: TierName, reason: str) -> None:
        self.refused.append((tier, reason))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def echo() -> type[EchoTier]:
    return EchoTier


@pytest.fixture
def local(tmp_path: Path) -> Callable[..., LocalInference]:
    """Makes a LocalInference of one task around the tiers given; the others are missing."""
    rules = tmp_path / "rules" / "bills"
    rules.mkdir(parents=True, exist_ok=True)
    (rules / "task.yaml").write_text(TASK)

    def make(*tiers: EchoTier, **options: object) -> LocalInference:
        def load(_home: Home, _task: TaskSpec) -> dict[TierName, LoadedTier]:
            loaded: dict[TierName, LoadedTier] = {
                "student": (None, TierStatus(None, "no student here")),
                "large": (None, TierStatus(None, "no large here")),
            }
            loaded.update({tier.name: (tier, TierStatus(tier.version, None, "int8")) for tier in tiers})
            return loaded

        return LocalInference(Home(tmp_path), load=load, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.01)

    return wait
