"""Which of a task's rules the policy has measured, and so may rely on.

A rule is known by the digest of all that decides what it finds (:attr:`gateway.tiers.rules.RuleSet.rule_digests`); the
policy keeps those it was calibrated with, a field's in the order they are tried. Comments, descriptions and examples
change no digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.policy import Policy
from gateway.tiers.rules.loading import RuleSet

#: ``measured``: exactly the rules the policy was calibrated with. ``extended``: those and others beside them.
#: ``edited``: a measured rule was changed, removed or moved. ``unmeasured``: the policy has never seen the field.
Standing = Literal["measured", "extended", "edited", "unmeasured"]


@dataclass(frozen=True)
class FieldTrust:
    """What the policy knows of one field's rules, each named ``<field>/<rule id>``.

    ``measured`` holds those of today's rules that are as they were calibrated, in order; ``added`` those that are new,
    ``changed`` those that do something else under the same name, ``removed`` those that are gone. ``moved``: all are
    there, but tried in another order.
    """

    standing: Standing
    measured: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: bool = False

    @property
    def decides(self) -> bool:
        """Whether the field's measured rules may decide."""
        return self.standing in ("measured", "extended")

    def describe(self, field: str) -> str | None:
        """What an operator should know; ``None`` where there is nothing to say."""
        if self.standing == "measured":
            return None
        if self.standing == "unmeasured":
            return f"rules of {field}: not measured; they decide nothing until `cascade calibrate` has seen them"
        if self.standing == "extended":
            return (
                f"rules of {field}: {', '.join(self.added)} added since policy.json was calibrated; shown, but no part"
                " of any decision until `cascade calibrate` has seen them"
            )
        edits = [
            f"{', '.join(sources)} {what}"
            for sources, what in ((self.changed, "changed"), (self.removed, "removed"), (self.added, "added"))
            if sources
        ]
        if self.moved:
            edits.append("their order changed")
        why = f" ({'; '.join(edits)})" if edits else ""
        return (
            f"rules of {field}: changed since policy.json was calibrated{why};"
            " they decide nothing until `cascade calibrate` has seen them"
        )


def rule_digests(rules: RuleSet) -> dict[str, dict[str, str]]:
    """What a policy keeps of the rules it was calibrated with: field to rule to digest, in the order they are tried."""
    digests = rules.rule_digests
    return {name: {rule.source: digests[rule.source] for rule in found} for name, found in rules.fields.items()}


def trust_of(rules: RuleSet, policy: Policy) -> dict[str, FieldTrust]:
    """Every field's :class:`FieldTrust`."""
    measured = policy.versions.get("rules") or {}
    by_field = policy.versions.get("rule_digests") or {}
    fields_now = rules.field_digests
    return {
        name: _field_trust(
            now, by_field.get(name), known=measured.get(name), same=fields_now[name] == measured.get(name)
        )
        for name, now in rule_digests(rules).items()
    }


def _field_trust(
    now: Mapping[str, str], before: Mapping[str, str] | None, *, known: str | None, same: bool
) -> FieldTrust:
    if same:
        return FieldTrust("measured", tuple(now))
    if known is None:
        return FieldTrust("unmeasured", added=tuple(now))
    if before is None:  # the policy was made before it kept single rules
        return FieldTrust("edited")
    kept = tuple(source for source in now if before.get(source) == now[source])
    added = tuple(source for source in now if source not in before)
    changed = tuple(source for source in now if source in before and before[source] != now[source])
    removed = tuple(source for source in before if source not in now)
    moved = not changed and not removed and kept != tuple(before)
    # The digest of a field also covers how values are written: where that differs, every rule's digest does, unless
    # there is no rule.
    intact = not changed and not removed and not moved and bool(added)
    return FieldTrust("extended" if intact else "edited", kept, added, changed, removed, moved)
