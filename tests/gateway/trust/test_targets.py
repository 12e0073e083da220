"""Fields whose default quality the task's own tiers do not certify."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.document import TierName
from gateway.home import Home
from gateway.policy import Policy, Threshold
from gateway.task import FieldSpec, TaskSpec
from gateway.trust import field_identities, uncertified_fields

YES = Threshold(0.5, True, 90, 1, 100, 0.05)
NO = replace(YES, certified=False)
TASK = TaskSpec("bills", {"shop": FieldSpec("shop", "text")}, quality=0.9, tiers=("rules", "student"))


@pytest.mark.parametrize(
    ("targets", "tiers", "said"),
    [
        ({0.9: YES}, ("rules", "student"), False),
        ({0.8: YES, 0.95: YES}, ("rules", "student"), False),
        ({0.8: YES, 0.9: NO}, ("rules", "student"), True),
        ({0.9: NO, 0.95: YES}, ("rules", "student"), False),
        ({}, ("rules", "student"), True),
        ({0.9: YES}, ("rules",), True),
    ],
)
def test_a_field_needs_a_certified_target_for_exactly_the_tiers_of_its_task(
    targets: dict[float, Threshold], tiers: tuple[TierName, ...], said: bool
) -> None:
    policy = Policy("bills", thresholds={"rules+student": {"shop": targets}})
    found = uncertified_fields(replace(TASK, tiers=tiers), policy)
    sentence = f"no target of 0.9 or more is certified for {'+'.join(tiers)}; its answers stay in review"
    assert found == ({"shop": f"shop: {sentence}"} if said else {})


def test_of_a_field_that_is_another_one_than_was_calibrated_enough_is_said() -> None:
    other = TaskSpec("bills", {"shop": FieldSpec("shop", "number")}, tiers=TASK.tiers)
    policy = Policy("bills", versions={"fields": field_identities(other)})
    assert uncertified_fields(TASK, policy) == {}


def test_the_receipts_lack_nothing(project_home: Home) -> None:
    policy = Policy.load(project_home.models / "receipts" / "policy.json")
    assert uncertified_fields(project_home.task("receipts"), policy) == {}
