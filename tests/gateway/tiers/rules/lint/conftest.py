"""A small task to lint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from gateway.tiers.rules.lint import Finding, check_task

TASK = """\
task: bills
fields:
  total: {type: money}
"""
TOTAL = r"""
- id: good
  kind: anchor
  label: TOTAL
  examples: [{text: TOTAL 9.00, value: "9.00"}, {text: SUM 9.00, value: null}]
"""


class Desk:
    """Writes a task's files and lints them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "bills").mkdir(parents=True)
        (path / "library").mkdir()
        self.write("bills/task.yaml", TASK)
        self.rules(TOTAL)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
        return path

    def rules(self, content: str, field: str = "total") -> None:
        self.write(f"bills/{field}.yaml", f"field: {field}\nrules:\n{dedent(content).strip(chr(10))}\n")

    def check(self) -> Sequence[Finding]:
        return check_task(self.path, "bills")

    def codes(self) -> list[str]:
        return [finding.code for finding in self.check()]

    def only(self) -> Finding:
        """The one finding there is."""
        [finding] = self.check()
        return finding


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "rules")
