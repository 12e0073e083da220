"""Drives cascades: loads a home's tasks, asks the tiers, times and costs the work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.cascade import Extraction, Run
from gateway.cost import Cost, cost_of
from gateway.document import Document, TierName, TierOutput
from gateway.errors import PolicyError, TierUnavailable
from gateway.evaluation.dataset import file_digest
from gateway.extraction import Outcome
from gateway.home import Home
from gateway.inference.base import Inference, TierStatus
from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.tiers.rules.tier import RulesTier

#: Texts up to this length have their rules run on the event loop: a millisecond there is less than a thread costs.
INLINE_RULES_CHARACTERS = 4_000
#: Why a tier counts as unavailable when the request's deadline passed before it answered.
DEADLINE_PASSED = "the deadline passed before it answered"


@dataclass(frozen=True)
class Request:
    """One document to extract from, and on what terms.

    ``None`` means the task's default. ``tiers`` are the tiers allowed; with ``alone`` the only one of them accepts
    whatever it finds. ``budget`` is the most money the request may cost; a tier that is expected to exceed it is not
    asked. ``deadline`` is in seconds from the start: a tier that has not answered by then is given up, as if it were
    unavailable.
    """

    document: Document
    fields: tuple[str, ...] | None = None
    quality: float | None = None
    tiers: tuple[TierName, ...] | None = None
    alone: bool = False
    strict_quality: bool = False
    budget: float | None = None
    deadline: float | None = None


@dataclass(frozen=True)
class LoadedTask:
    """A task ready to serve. ``not_trusted`` maps a field to tiers whose version the policy has not measured."""

    spec: TaskSpec
    rules: RulesTier
    policy: Policy | None
    policy_digest: str | None
    models: Mapping[TierName, TierStatus]
    not_trusted: Mapping[str, frozenset[TierName]]
    problems: tuple[str, ...] = field(default=())

    @property
    def unavailable(self) -> dict[TierName, str]:
        """Model tiers that cannot answer, and why."""
        return {tier: status.problem for tier, status in self.models.items() if status.problem is not None}

    @property
    def versions(self) -> dict[str, Any]:
        return {
            "rules": self.rules.version,
            "generation": 1,
            **{tier: status.version for tier, status in self.models.items()},
            "policy": self.policy_digest,
        }


def _load_policy(home: Home, spec: TaskSpec, problems: list[str]) -> tuple[Policy | None, str | None]:
    path = home.models / spec.name / "policy.json"
    try:
        policy = Policy.load(path)
    except PolicyError as error:
        problems.append(error.message)
        return None, None
    if policy.task != spec.name:
        problems.append(f'{path}: belongs to task "{policy.task}"')
        return None, None
    return policy, file_digest(path)


def _distrust(
    spec: TaskSpec, rules: RulesTier, models: Mapping[TierName, TierStatus], policy: Policy, problems: list[str]
) -> dict[str, frozenset[TierName]]:
    """Per field, the tiers that are not the ones the policy was calibrated with."""
    stale_models = {
        tier for tier, status in models.items() if status.available and status.version != policy.versions.get(tier)
    }
    for tier in sorted(stale_models):
        problems.append(
            f"{tier}: not the model that policy.json was calibrated with;"
            " it decides nothing until `cascade calibrate` has seen it"
        )
    measured = policy.versions.get("rules") or {}
    found: dict[str, frozenset[TierName]] = {}
    for name in spec.fields:
        stale: set[TierName] = set(stale_models)
        if rules.field_versions.get(name) != measured.get(name):
            stale.add("rules")
            problems.append(
                f"rules of {name}: changed since policy.json was calibrated;"
                " they decide nothing until `cascade calibrate` has seen them"
            )
        found[name] = frozenset(stale)
    return found


class Engine:
    """All tasks of one home. Make it with :meth:`open`."""

    def __init__(self, tasks: Mapping[str, LoadedTask], inference: Inference) -> None:
        self._tasks = dict(tasks)
        self._inference = inference

    @classmethod
    async def open(cls, home: Home, inference: Inference, names: list[str] | None = None) -> Engine:
        """Load rules and policies of every task (or of ``names``) and ask what models there are.

        Raises:
            TaskFileError, RuleFileError: a file cannot be used. A missing policy or model is no error: it is a
                problem of the task, shown in ``/readyz``.
        """
        tasks: dict[str, LoadedTask] = {}
        for name in names if names is not None else home.tasks():
            spec = home.task(name)
            problems: list[str] = []
            rules = RulesTier.load(home.rules, spec)
            policy, digest = _load_policy(home, spec, problems)
            models = await inference.status(name)
            models = {tier: status for tier, status in models.items() if tier in spec.tiers}
            problems += [f"{tier}: {status.problem}" for tier, status in models.items() if status.problem]
            not_trusted = _distrust(spec, rules, models, policy, problems) if policy else {}
            tasks[name] = LoadedTask(spec, rules, policy, digest, models, not_trusted, tuple(problems))
        return cls(tasks, inference)

    @property
    def tasks(self) -> Mapping[str, LoadedTask]:
        return self._tasks

    async def extract(self, task: LoadedTask, request: Request) -> Outcome:
        """Answer one request.

        Raises:
            NotCertified: ``strict_quality`` asked for what is not certified.
            UnknownField: for a field the task does not have.
        """
        started = time.perf_counter()
        spec = task.spec
        fields = spec.check_fields(request.fields)
        run = Run(
            spec,
            task.policy,
            fields=fields,
            quality=request.quality,
            tiers=spec.tiers if request.tiers is None else request.tiers,
            alone=request.alone,
            not_trusted=task.not_trusted,
            unavailable=task.unavailable,
            strict=request.strict_quality,
        )
        timing: dict[str, float] = {}
        while (tier := run.next_tier()) is not None:
            if request.budget is not None and self._over_budget(task, run.result(), tier, request):
                run.skip(tier)
                continue
            asked = time.perf_counter()
            left = None if request.deadline is None else request.deadline - (asked - started)
            try:
                output = await self._ask_within(left, task, tier, request.document, run.open_fields())
            except TierUnavailable as error:
                run.fail(tier, error.message)
            else:
                run.absorb(tier, output)
            timing[tier] = timing.get(tier, 0.0) + time.perf_counter() - asked
        extraction = run.result()
        cost = self._cost(task, extraction, request)
        timing["total"] = time.perf_counter() - started
        return Outcome(spec.name, request.document.id, extraction, cost, timing, task.versions)

    async def _ask_within(
        self, seconds: float | None, task: LoadedTask, tier: TierName, document: Document, fields: tuple[str, ...]
    ) -> TierOutput:
        if seconds is not None and seconds <= 0 and tier != "rules":
            raise TierUnavailable(DEADLINE_PASSED)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._ask(task, tier, document, fields)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TierUnavailable(DEADLINE_PASSED) from error

    async def _ask(self, task: LoadedTask, tier: TierName, document: Document, fields: tuple[str, ...]) -> TierOutput:
        if tier != "rules":
            return (await self._inference.propose(task.spec.name, tier, [document], fields))[0]
        if len(document.text) <= INLINE_RULES_CHARACTERS:
            return task.rules.propose([document], fields)[0]
        return (await asyncio.to_thread(task.rules.propose, [document], fields))[0]

    @staticmethod
    def _cost(task: LoadedTask, extraction: Extraction, request: Request) -> Cost:
        estimates = task.policy.estimates if task.policy else {}
        return cost_of(extraction.work, len(request.document.text), task.spec.prices, estimates)

    def _over_budget(self, task: LoadedTask, so_far: Extraction, tier: TierName, request: Request) -> bool:
        estimates = task.policy.estimates if task.policy else {}
        if tier not in estimates or request.budget is None:
            return False
        expected = estimates[tier].cpu_seconds(len(request.document.text)) * task.spec.prices.cpu_second
        return self._cost(task, so_far, request).amount + expected > request.budget

    async def model_status(self, name: str) -> Mapping[TierName, TierStatus]:
        """The state of a task's model tiers now, which may differ from the one it was loaded with.

        Raises:
            TierUnavailable: nobody can tell: the inference process does not answer.
        """
        return await self._inference.status(name)

    async def close(self) -> None:
        """Let go of the models."""
        await self._inference.close()
