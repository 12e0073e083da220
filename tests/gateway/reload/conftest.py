"""A small home that is edited, and a publisher whose clock the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.home import Home
from gateway.reload.generations import Published
from gateway.reload.publisher import Publisher
from gateway.reload.store import Store

TASK = "task: bills\nquality: 0.9\ntiers: [rules]\nfields:\n  total: {type: money}\n"


def total_rules(label: str = "TOTAL", precision: float = 0.95) -> str:
    return (
        "field: total\nrules:\n"
        f"  - {{id: after, kind: anchor, label: '{label}', value: '\\d+\\.\\d\\d', author_precision: {precision},"
        f" examples: [{{text: '{label} 9.00', value: '9.00'}}]}}\n"
    )


@dataclass
class Bench:
    """A home, its store and a publisher. ``wait`` lets time pass, with a look before and after."""

    home: Home
    store: Store
    now: float = 100.0
    publisher: Publisher = field(init=False)

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.home, self.store, clock=lambda: self.now)

    @property
    def rules(self) -> Path:
        return self.home.rules / "bills"

    def write(self, text: str, name: str = "total.yaml") -> None:
        (self.rules / name).write_text(text)

    def look(self) -> Published:
        self.publisher.look()
        return self.publisher.published

    def wait(self, seconds: float = 0.25) -> Published:
        self.look()
        self.now += seconds
        return self.look()

    def text(self, published: Published, name: str = "total.yaml", task: str = "bills") -> str:
        """A file as the newest generation has it."""
        return (self.store.home(published.tasks[task].directory).rules / task / name).read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    home = Home(tmp_path / "home")
    (home.rules / "bills").mkdir(parents=True)
    made = Bench(home, Store(tmp_path / "run"))
    made.write(TASK, "task.yaml")
    made.write(total_rules())
    made.publisher.start()
    return made


@pytest.fixture(name="total_rules")
def total_rules_fixture() -> object:
    return total_rules
