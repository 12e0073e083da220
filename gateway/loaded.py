"""A task ready to serve: its files read, its policy held against them and against the models there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gateway.document import TIERS, Document, TierName
from gateway.errors import PolicyError
from gateway.evaluation.dataset import file_digest
from gateway.extraction import Filtered
from gateway.home import Home
from gateway.inference.base import TierStatus
from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.tiers.rules.strikes import Strikes
from gateway.tiers.rules.tier import RulesTier
from gateway.trust import (
    SEEN,
    FieldTrust,
    TrustedRules,
    changed_fields,
    is_void,
    promise_digest,
    trust_of,
    uncertified_fields,
    without_void_certificates,
)


@dataclass(frozen=True)
class LoadedTask:
    """A task ready to serve; it does not change any more.

    ``policy`` is the part of ``calibrated`` (what policy.json holds) that belongs to the models there are.
    ``not_trusted`` maps a field to the tiers that the policy has not measured as they are now, ``trust`` to what it
    knows of the field's rules. ``problems`` are sentences for operators.
    """

    spec: TaskSpec
    rules: RulesTier
    policy: Policy | None
    policy_digest: str | None
    models: Mapping[TierName, TierStatus]
    not_trusted: Mapping[str, frozenset[TierName]]
    problems: tuple[str, ...] = field(default=())
    generation: int = 1
    trust: Mapping[str, FieldTrust] = field(default_factory=dict)
    #: The part of ``problems`` that comes from the files alone.
    file_problems: tuple[str, ...] = field(default=())
    #: What :attr:`trusted` is, where it was made when the files were read.
    proposer: TrustedRules | None = None
    calibrated: Policy | None = None

    @property
    def trusted(self) -> TrustedRules:
        """The rules as the policy may rely on them."""
        return self.proposer or TrustedRules(self.rules, self.trust)

    @cached_property
    def promise(self) -> str | None:
        """What tells its promise from another one (:func:`gateway.trust.promise_digest`); ``None`` without a policy.

        Other than ``policy_digest`` it stays the same when a calibration comes to the same decisions.
        """
        return None if self.policy is None else promise_digest(self.policy)

    @property
    def unavailable(self) -> dict[TierName, str]:
        """Model tiers that cannot answer, and why."""
        return {tier: status.problem for tier, status in self.models.items() if status.problem is not None}

    @property
    def versions(self) -> dict[str, Any]:
        filters = self.rules.rules.filters
        return {
            "rules": self.rules.version,
            "generation": self.generation,
            **({"filters": filters.digest} if filters.filters else {}),
            **{tier: status.version for tier, status in self.models.items()},
            "policy": self.policy_digest,
        }

    @property
    def rule_notes(self) -> list[str]:
        """What is to be said of rules that the policy has not measured."""
        return _rule_notes(self.trust)

    @property
    def notes(self) -> list[str]:
        """Sentences for operators on what they may have meant, which is no problem of the service."""
        return [] if self.policy is None else list(uncertified_fields(self.spec, self.policy).values())

    @property
    def stale_models(self) -> frozenset[TierName]:
        """Model tiers that can answer, but are not those that the policy was calibrated with."""
        return _stale(self.policy, self.models)

    def filter(self, document: Document) -> Filtered | None:
        """The filter that keeps a document from being extracted from, if one does."""
        hit = self.rules.filter(document)
        return None if hit is None else Filtered(hit.filter, hit.message)


def read_task(
    home: Home, name: str, *, generation: int = 1, strikes: Strikes | None = None, original: Home | None = None
) -> LoadedTask:
    """Read a task's files, without its models: :func:`link` adds those. Compiling takes up to a second, so a service
    calls this on a thread.

    Args:
        home: where the files lie.
        name: the task.
        generation: the number of the generation that the files are.
        original: the home that ``home`` is a copy of: its places are named in problems. A copy has no models; what a
            remote one bills comes with its status.
        strikes: those of the task's rules before, so that a rule that was set aside and not edited stays so.

    Raises:
        UnknownTask, TaskFileError, RuleFileError: naming what is wrong.
    """
    spec = home.task(name)
    rules = RulesTier.load(home.rules, spec, strikes=strikes)
    problems: list[str] = []
    policy, digest = _load_policy(home, spec, problems)
    if original is not None:
        problems = [problem.replace(f"{home.path}/", f"{original.path}/") for problem in problems]
    trust = trust_of(rules.rules, policy) if policy else {}
    return LoadedTask(
        spec,
        rules,
        policy,
        digest,
        models={},
        not_trusted={},
        problems=tuple(problems),
        generation=generation,
        trust=trust,
        file_problems=tuple(problems),
        proposer=TrustedRules(rules, trust),
        calibrated=policy,
    )


def link(task: LoadedTask, models: Mapping[TierName, TierStatus]) -> LoadedTask:
    """The task with the models there are, each trusted only when the policy was calibrated with it as it runs now, and
    no tier trusted with a field that is another one than was calibrated."""
    models = {tier: status for tier, status in models.items() if tier in task.spec.tiers}
    problems = [*task.file_problems]
    problems += [f"{tier}: {status.problem}" for tier, status in models.items() if status.problem]
    problems += [
        f"{tier}: {status.refused}; it goes on as it was before the edit"
        for tier, status in models.items()
        if status.refused
    ]
    calibrated = task.calibrated or task.policy
    policy = calibrated and calibrated.for_models(
        {tier: (status.version, status.mode) for tier, status in models.items() if status.available}
    )
    stale = _stale(policy, models)
    problems += [_staleness(tier, models[tier], policy) for tier in sorted(stale)]
    not_trusted: dict[str, frozenset[TierName]] = {}
    if policy is not None:
        if is_void(policy):
            problems.append(SEEN)
        changed = changed_fields(task.spec, policy)
        problems += changed_field_notes(task.spec, policy).values()
        for name in task.spec.fields:
            by_rules = name in task.trust and task.trust[name].decides
            not_trusted[name] = stale if by_rules else stale | {"rules"}
            if name in changed:
                not_trusted[name] = frozenset(TIERS)
    problems += _rule_notes(task.trust)
    return replace(
        task,
        spec=_priced(task.spec, models),
        models=models,
        policy=policy,
        calibrated=calibrated,
        not_trusted=not_trusted,
        problems=tuple(problems),
    )


def _priced(spec: TaskSpec, models: Mapping[TierName, TierStatus]) -> TaskSpec:
    """The task with what its large tier bills, where that tier says so."""
    price = models["large"].price if "large" in models else None
    if price is None or price == spec.prices.large:
        return spec
    return replace(spec, prices=replace(spec.prices, large=price))


def changed_field_notes(spec: TaskSpec, policy: Policy) -> dict[str, str]:
    """The fields that are not what the policy was calibrated with, each with a sentence for operators."""
    return {
        name: f"field {name}: not as policy.json was calibrated (it was {before}); nothing is accepted for it until"
        " `cascade calibrate` has seen it"
        for name, before in changed_fields(spec, policy).items()
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
    return without_void_certificates(policy), file_digest(path)


def _stale(policy: Policy | None, models: Mapping[TierName, TierStatus]) -> frozenset[TierName]:
    if policy is None:
        return frozenset()
    return frozenset(
        tier
        for tier, status in models.items()
        if status.available and not policy.measured(tier, status.version, status.mode)
    )


def _staleness(tier: TierName, status: TierStatus, policy: Policy | None) -> str:
    known = (policy.versions.get("modes") or {}).get(tier) if policy else None
    which = "the model that policy.json was calibrated with"
    if known and status.mode and known != status.mode:
        which += f" (that ran as {known}, this one runs as {status.mode})"
    return f"{tier}: not {which}; it decides nothing until `cascade calibrate` has seen it"


def _rule_notes(trust: Mapping[str, FieldTrust]) -> list[str]:
    notes: Iterable[str | None] = (standing.describe(name) for name, standing in trust.items())
    return [note for note in notes if note is not None]
