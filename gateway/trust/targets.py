"""Fields of which a policy lets the task's tiers accept nothing, whatever a document says."""

from __future__ import annotations

from gateway.policy import Policy, chain_name
from gateway.task import TaskSpec
from gateway.trust.fields import changed_fields


def uncertified_fields(task: TaskSpec, policy: Policy) -> dict[str, str]:
    """The fields whose default quality no certified target of the task's own chain reaches, each with a sentence.

    The chain is ``tiers`` of task.yaml: what holds when every model is there, and so what will not pass by itself.
    Fields that are not as they were calibrated are left out; nothing that is certified is theirs. An author's word
    may still be accepted (``author_rules``), and so may a quality below the default that a request asks for.
    """
    changed = changed_fields(task, policy)
    return {
        name: f"{name}: no target of {quality:g} or more is certified for {chain_name(task.tiers)};"
        " its answers stay in review"
        for name, quality in task.qualities().items()
        if name not in changed and not any(target >= quality - 1e-9 for target in policy.targets(task.tiers, name))
    }
