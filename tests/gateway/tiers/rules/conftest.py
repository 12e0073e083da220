"""Small tasks whose rules a test writes down."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from gateway.document import Candidate, Document
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules import RulesTier

TASK = TaskSpec(
    "bills",
    {
        "shop": FieldSpec("shop", "text"),
        "date": FieldSpec("date", "date"),
        "total": FieldSpec("total", "money"),
        "items": FieldSpec("items", "text", many=True),
    },
)


class Bench:
    """Writes files under a rules directory and loads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "bills").mkdir(parents=True)
        (path / "library").mkdir()

    def write(self, name: str, content: str) -> Path:
        """A file under the rules directory; its indentation is that of its first line."""
        path = self.path / name
        path.write_text(dedent(content), "utf-8", newline="")
        return path

    def rules(self, field: str, content: str) -> None:
        """The rules of a field, without the head that all files share."""
        body = dedent(content).strip("\n")
        self.write(f"bills/{field}.yaml", f"field: {field}\nrules:\n{body}\n")

    def load(self, **options: object) -> RulesTier:
        return RulesTier.load(self.path, TASK, **options)  # type: ignore[arg-type]

    def find(self, field: str, text: str) -> tuple[Candidate, ...]:
        """The tier's candidates for one field, best first."""
        [output] = self.load().propose([Document(text)], [field])
        return output.proposals[field].candidates

    def values(self, field: str, text: str) -> list[str]:
        return [candidate.value for candidate in self.find(field, text)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "rules")
