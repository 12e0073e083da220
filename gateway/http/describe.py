"""What the service says of its tasks and of itself: ``/v1/tasks`` and ``/readyz``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.document import TierName
from gateway.engine import Engine, LoadedTask
from gateway.errors import TierUnavailable, UnknownTask
from gateway.inference.base import TierStatus
from gateway.policy import Policy
from gateway.task import Prices


def task_summary(task: LoadedTask) -> dict[str, Any]:
    """A task as ``GET /v1/tasks`` lists it."""
    return {
        "task": task.spec.name,
        "description": task.spec.description,
        "fields": list(task.spec.fields),
        "quality": task.spec.quality,
    }


def task_description(task: LoadedTask) -> dict[str, Any]:
    """A task as ``GET /v1/tasks/{task}`` describes it."""
    spec = task.spec
    return {
        "task": spec.name,
        "description": spec.description,
        "quality": spec.quality,
        "fields": {
            name: {"type": field.type, "many": field.many, "quality": quality, "description": field.description}
            for (name, field), quality in zip(spec.fields.items(), spec.qualities().values(), strict=True)
        },
        "tiers": {tier: tier_description(task, tier) for tier in spec.tiers},
        "certified": certified_targets(task.policy),
        "prices": spec.prices.as_json(),
        "versions": task.versions,
        "problems": list(task.problems),
    }


def tier_description(
    task: LoadedTask, tier: TierName, now: Mapping[TierName, TierStatus] | None = None
) -> dict[str, Any]:
    """Whether a tier can answer; ``now`` is the state of the models at this moment, by default as they were loaded."""
    if tier == "rules":
        return {"available": True, "version": task.rules.version}
    loaded = task.models.get(tier, TierStatus(None, "not loaded"))
    status = loaded if now is None else now.get(tier, TierStatus(None, "not loaded"))
    problem = loaded.problem or status.problem
    if problem is None and status.version != loaded.version:
        status = loaded  # another model is about to be taken up; until then this one goes on answering
    described: dict[str, Any] = {"available": problem is None, "version": status.version}
    if status.mode is not None:
        described["mode"] = status.mode
    if problem is not None:
        described["problem"] = problem
    return described


def certified_targets(policy: Policy | None) -> dict[str, dict[str, list[float]]]:
    """Chain of tiers to field to the quality targets that are certified for it."""
    if policy is None:
        return {}
    return {
        chain: {
            name: sorted(target for target, threshold in targets.items() if threshold.certified)
            for name, targets in fields.items()
        }
        for chain, fields in policy.thresholds.items()
    }


def price_notes(prices: Prices) -> list[str]:
    """What is to be said of prices that ``task.yaml`` does not state. No problem: work is priced all the same."""
    notes = []
    # Nothing that comes with the gateway runs on a GPU, so that price is not missed.
    if prices.source["cpu_second"] == "default":
        notes.append(
            f"task.yaml states no price of a CPU second: {prices.cpu_second:g} {prices.currency} is assumed"
            f" ({prices.cpu_second * 3600:.3g} an hour of one core)"
        )
    if prices.large is not None and prices.large.assumed:
        notes.append("upstreams.yaml states no prices of the large tier's upstream: those in docs/cost.md are assumed")
    return notes


async def readiness(engine: Engine) -> tuple[bool, dict[str, Any]]:
    """Whether requests can be served, and what is missing.

    A task is ready when its rules and, if it has one, its student can answer. A missing large tier, a missing policy
    or stale parts make it ``degraded``.
    """
    tasks = {name: await _task_readiness(engine, name, task) for name, task in engine.tasks.items()}
    following = engine.following
    # A task that was added while the service runs and lacks its models is no reason to take the others out of service.
    added = {name for name in tasks if following is not None and following.added_while_running(name)}
    ready = bool(tasks) and all(task["ready"] for name, task in tasks.items() if name not in added)
    report: dict[str, Any] = {"tasks": tasks}
    if following is not None:
        report["reload"] = following.report()
    whole = all(task["status"] == "ready" for task in tasks.values())
    whole = whole and not report.get("reload", {}).get("problems")
    status = ("ready" if whole else "degraded") if ready else "not-ready"
    return ready, {"status": status, **report}


async def _task_readiness(engine: Engine, name: str, task: LoadedTask) -> dict[str, Any]:
    problems = [*task.problems, *(engine.following.problems(name) if engine.following is not None else ())]
    problems += [
        f"rule {source}: set aside because it kept running out of time; its field escalates until it is edited"
        for source in task.trusted.set_aside
    ]
    try:
        now = await engine.model_status(name)
    except (TierUnavailable, UnknownTask) as error:  # a task added just now is not known there
        now = {tier: TierStatus(None, error.message) for tier in task.spec.tiers}
    tiers = {tier: tier_description(task, tier, now) for tier in task.spec.tiers}
    problems += [
        text
        for tier, described in tiers.items()
        if not described["available"] and (text := f"{tier}: {described['problem']}") not in problems
    ]
    missing = [tier for tier, described in tiers.items() if not described["available"]]
    ready = "student" not in missing
    status = ("degraded" if problems else "ready") if ready else "not-ready"
    return {
        "ready": ready,
        "status": status,
        "generation": task.generation,
        "missing": missing,
        "tiers": tiers,
        "problems": problems,
        "notes": [*task.notes, *price_notes(task.spec.prices)],
    }
