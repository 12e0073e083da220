"""What a certificate takes for granted of a field: how its values are read, and what its labels mean.

"Right" means equal under the field's type to what the labels say. Where the type, the reading of its values or the
meaning of its labels changes, the answers that were counted are others, and so is what was certified.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.policy import Policy
from gateway.task import TaskSpec
from gateway.values import ValueType

#: The options of a task that reading values of a type depends on.
_READ_WITH: Mapping[ValueType, tuple[str, ...]] = {
    "date": ("day_first",),
    "phone": ("region",),
    "tax-id": ("region",),
    "money": ("decimal",),
    "number": ("decimal",),
    "percent": ("decimal",),
    "dimension": ("decimal",),
}


def field_identities(task: TaskSpec) -> dict[str, dict[str, str]]:
    """What a policy keeps of each field: its type, ``many``, the options its values are read with, and what a label
    that is ``null`` or missing means. Descriptions, defaults and prices are no part of it."""
    identities: dict[str, dict[str, str]] = {}
    for name, field in task.fields.items():
        identities[name] = {
            "type": field.type,
            "many": str(field.many).lower(),
            **{option: str(getattr(task, option)).lower() for option in _READ_WITH.get(field.type, ())},
            "null_means": field.null_means,
            "closed_labels": str(task.closed_labels).lower(),
        }
    return identities


def changed_fields(task: TaskSpec, policy: Policy) -> dict[str, str]:
    """The fields that are not what the policy was calibrated with, each with what differs, for people.

    A policy that keeps nothing of its fields (made by an older version) is taken at its word: nothing differs.
    """
    measured = policy.versions.get("fields")
    if not measured:
        return {}
    changed: dict[str, str] = {}
    for name, now in field_identities(task).items():
        before = measured.get(name)
        if before is None:
            changed[name] = "not there"
        elif before != now:
            keys = [*now, *(key for key in before if key not in now)]
            changed[name] = ", ".join(
                f"{key} {before[key]}" if key in before else f"no {key}"
                for key in keys
                if before.get(key) != now.get(key)
            )
    return changed
