"""A small task with real rules, and models that say what a test wants them to say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from gateway.document import Candidate, Document, Proposal, TierName, TierOutput, Work
from gateway.engine import Engine, LoadedTask
from gateway.errors import TierUnavailable
from gateway.evaluation.dataset import LabelledDocument
from gateway.evaluation.systems import run_systems
from gateway.inference.base import TierStatus
from gateway.policy import Policy, Threshold, TierEstimate, all_chains, chain_name
from gateway.task import FieldSpec, Prices, TaskSpec
from gateway.tiers.rules.tier import RulesTier
from gateway.values import canonical, fold_text

TASK = TaskSpec(
    "notes",
    {
        "total": FieldSpec("total", "money"),
        "item": FieldSpec("item", "text", many=True),
    },
    quality=0.9,
    prices=Prices("EUR", 0.5),
)
TOTAL_RULES = r"""
field: total
rules:
  - id: after-label
    kind: pattern
    pattern: 'TOTAL (?P<value>[\d.]+)'
    precision: 0.9
"""
#: CPU seconds the models spend on a document.
SPENT: Mapping[TierName, float] = {"student": 0.01, "large": 0.1}


class ScriptedInference:
    """Models that answer from a script: tier → document id → field → ``(value, score)`` pairs, or an exception."""

    def __init__(self, script, statuses=None):
        self.script = script
        ready = {tier: TierStatus(f"sha256:{tier}") for tier in SPENT}
        self.statuses = ready if statuses is None else statuses
        self.asked: list[tuple[TierName, str]] = []
        self.closed = False

    async def status(self, task):
        return self.statuses

    async def propose(self, task, tier: TierName, documents: Sequence[Document], fields: Sequence[str], **terms):
        await asyncio.sleep(0)
        return [self._answer(tier, document, fields) for document in documents]

    def _answer(self, tier, document, fields):
        self.asked.append((tier, document.id))
        said = self.script.get(tier, {}).get(document.id, {})
        if isinstance(said, Exception):
            raise said
        proposals = {name: proposal(name, document.text, *said[name]) for name in fields if name in said}
        return TierOutput(proposals, Work(SPENT[tier], SPENT[tier], 10))

    async def close(self):
        self.closed = True


def proposal(name, text, *pairs):
    kind = TASK.fields[name].type
    candidates = []
    for value, score in pairs:
        start = max(text.find(value), 0)
        normalised = canonical(kind, value) or fold_text(value)
        candidates.append(Candidate(value, value, normalised, ((start, start + len(value)),), score, "script"))
    return Proposal(tuple(candidates))


def policy(value=0.8):
    """Trusts a tier's own score from ``value`` on, in every chain."""
    thresholds = {
        chain_name(chain): {name: {0.9: Threshold(value, True, 100, 1, 100, 0.05)} for name in TASK.fields}
        for chain in all_chains()
    }
    return Policy("notes", thresholds=thresholds, estimates={"large": TierEstimate(0.2, 0.0)})


@pytest.fixture
def task() -> TaskSpec:
    return TASK


@pytest.fixture
def loaded(tmp_path):
    """Makes the task as an engine loads it: ``loaded(script, statuses=…, policy=…)`` gives ``(engine, task)``."""
    directory = tmp_path / "rules" / "notes"
    directory.mkdir(parents=True)
    (directory / "total.yaml").write_text(TOTAL_RULES, "utf-8")
    rules = RulesTier.load(tmp_path / "rules", TASK)

    def make(script, statuses=None, using=policy()):  # noqa: B008  a policy is immutable
        inference = ScriptedInference(script, statuses)
        one = LoadedTask(TASK, rules, using, "sha256:policy", inference.statuses, {})
        return Engine({"notes": one}, inference), one, inference

    return make


@pytest.fixture
def run(loaded):
    """Runs systems over documents: ``run(documents, script, systems)`` gives their records."""

    def go(documents, script, systems=("rules", "student", "large", "cascade"), **more):
        quality = more.pop("quality", None)
        engine, one, _ = loaded(script, **more)
        return asyncio.run(run_systems(engine, one, documents, systems, quality=quality))

    return go


@pytest.fixture
def unavailable():
    return TierUnavailable("student: out of order")


@pytest.fixture
def documents():
    """Three documents in two groups; the last says nothing about its items."""
    return [
        LabelledDocument("a", "TOTAL 9.00 pen ink", {"total": "RM 9.00", "item": ["pen", "ink"]}),
        LabelledDocument("b", "TOTAL 7.00 cup", {"total": "8.00", "item": ["cup"]}),
        LabelledDocument("c", "SUM 5.00", {"total": "5.00"}),
    ]
