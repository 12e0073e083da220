"""A home with one small task, and models that answer from a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.document import TIERS, Candidate, Document, Proposal, TierOutput, Work
from gateway.inference.base import TierStatus
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name
from gateway.task import load_task
from gateway.tiers.rules.tier import RulesTier

TASK = """
task: notes
quality: 0.9
fields:
  total: {type: money}
  item: {type: text, many: true}
prices: {currency: EUR, cpu_second: 0.5}
"""
TOTAL = r"""
field: total
rules:
  - id: after-label
    kind: pattern
    pattern: 'TOTAL (?P<value>[\d.]+)'
    precision: 0.95
"""


@pytest.fixture
def home(tmp_path) -> Path:
    """A home whose task has rules but no models and no policy."""
    directory = tmp_path / "home" / "rules" / "notes"
    directory.mkdir(parents=True)
    (directory / "task.yaml").write_text(TASK, "utf-8")
    (directory / "total.yaml").write_text(TOTAL, "utf-8")
    (tmp_path / "home" / "models").mkdir()
    return tmp_path / "home"


class ScriptedTier:
    """Finds in a document the words it was told are items; breaks where the text says so."""

    def __init__(self, name, words, score):
        self.name, self.version, self.words, self.score = name, f"sha256:{name}", words, score

    def propose(self, documents: Sequence[Document], fields: Sequence[str]) -> list[TierOutput]:
        return [self._read(document, fields) for document in documents]

    def _read(self, document, fields):
        if f"BREAK {self.name}" in document.text:
            raise ZeroDivisionError(self.name)
        found = []
        for word in self.words:
            start = document.text.find(word)
            if start >= 0:
                found.append(Candidate(word, word, word, ((start, start + len(word)),), self.score, self.name))
        proposals = {"item": Proposal(tuple(found))} if "item" in fields else {}
        return TierOutput(proposals, Work({"student": 0.01, "large": 0.1}[self.name], 0.1, 5))


@pytest.fixture
def models(monkeypatch):
    """Gives the commands a student and a large tier that know some words; ``None`` for a missing one."""

    def install(student=("pen",), large=("pen", "ink"), score=0.95):
        def load(home, task):
            words = {"student": student, "large": large}
            modes = {"student": None, "large": "int8"}
            return {
                tier: (None, TierStatus(None, f"no {tier} here"))
                if known is None
                else (ScriptedTier(tier, known, score), TierStatus(f"sha256:{tier}", None, modes[tier]))
                for tier, known in words.items()
            }

        monkeypatch.setattr("gateway.cli.session.model_loader", lambda **settings: load)

    return install


@pytest.fixture
def policy(home):
    """Writes a policy that trusts every tier's own score from 0.9 on."""
    spec = load_task(home / "rules" / "notes" / "task.yaml")
    certified = Threshold(0.9, True, 100, 1, 100, 0.05)
    Policy(
        "notes",
        thresholds={chain_name(chain): {name: {0.9: certified} for name in spec.fields} for chain in all_chains()},
        versions={
            "rules": dict(RulesTier.load(home / "rules", spec).field_versions),
            **{tier: f"sha256:{tier}" for tier in TIERS[1:]},
        },
        estimates={"large": TierEstimate(0.1, 0.0)},
    ).save(home / "models" / "notes" / "policy.json")


@pytest.fixture
def cascade(home):
    """Runs a command in the home; gives click's result."""

    def call(*arguments, stdin=None):
        return CliRunner().invoke(main, ["--home", str(home), *map(str, arguments)], input=stdin)

    return call


@pytest.fixture
def json_lines(tmp_path):
    """Writes a JSON Lines file: objects are encoded, bytes are taken as they are."""

    def write(*lines, name="data.jsonl"):
        path = tmp_path / name
        encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path.write_bytes(b"".join(line + b"\n" for line in encoded))
        return path

    return write
