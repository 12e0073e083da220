"""What the policy knows of rules that were added, changed, removed or moved since it measured them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.home import Home
from gateway.policy import Policy
from gateway.tiers.rules.loading import RuleSet, load_rules
from gateway.trust import rule_digests, trust_of

TASK = "task: bills\nfields:\n  total: {type: money}\n  shop: {type: text}\n"
AFTER = "  - {id: after, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', priority: 20}\n"
LAST = "  - {id: last, kind: pattern, pattern: '\\d+\\.\\d\\d', priority: 10}\n"
NEW = "  - {id: new, kind: pattern, pattern: 'RM \\d+', priority: 30}\n"


def rules(directory: Path, *total: str, task: str = TASK) -> RuleSet:
    home = Home(directory)
    (home.rules / "bills").mkdir(parents=True, exist_ok=True)
    (home.rules / "bills" / "task.yaml").write_text(task)
    (home.rules / "bills" / "total.yaml").write_text("field: total\nrules:\n" + "".join(total))
    return load_rules(home.rules, home.task("bills"))


def policy_for(measured: RuleSet) -> Policy:
    return Policy("bills", versions={"rules": measured.field_digests, "rule_digests": rule_digests(measured)})


@pytest.fixture
def measured(tmp_path: Path) -> Policy:
    return policy_for(rules(tmp_path, AFTER, LAST))


def test_the_same_rules_are_measured_whatever_their_comments_and_examples(tmp_path: Path, measured: Policy) -> None:
    described = AFTER.replace("kind:", "description: beside it, examples: [{text: 'TOTAL 1.00', value: '1.00'}], kind:")
    trust = trust_of(rules(tmp_path, "# first\n", described, LAST), measured)
    assert {name: each.standing for name, each in trust.items()} == {"total": "measured", "shop": "measured"}
    assert trust["total"].describe("total") is None


@pytest.mark.parametrize("order", [(NEW, AFTER, LAST), (AFTER, NEW, LAST), (AFTER, LAST, NEW)])
def test_added_rules_leave_the_measured_ones_deciding_wherever_they_stand(
    tmp_path: Path, measured: Policy, order: tuple[str, ...]
) -> None:
    total = trust_of(rules(tmp_path, *order), measured)["total"]
    assert (total.standing, total.decides, total.added) == ("extended", True, ("total/new",))
    assert total.measured == ("total/after", "total/last")
    assert "total/new added" in str(total.describe("total"))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ((AFTER.replace("TOTAL", "SUM"), LAST), "total/after changed"),
        ((AFTER.replace("20", "25"), LAST), "total/after changed"),
        ((LAST,), "total/after removed"),
        ((AFTER, LAST.replace("last", "final")), "total/last removed; total/final added"),
        ((), "removed"),
    ],
)
def test_changed_or_removed_rules_let_the_field_decide_nothing(
    tmp_path: Path, measured: Policy, now: tuple[str, ...], said: str
) -> None:
    text = now or ("  - {id: other, kind: pattern, pattern: 'x'}\n",)
    total = trust_of(rules(tmp_path, *text), measured)["total"]
    assert (total.standing, total.decides) == ("edited", False)
    assert said in str(total.describe("total"))


def test_rules_of_one_priority_that_changed_places_are_edited(tmp_path: Path) -> None:
    one, two = LAST.replace("last", "one"), LAST.replace("last", "two")
    policy = policy_for(rules(tmp_path, one, two))
    total = trust_of(rules(tmp_path, two, one), policy)["total"]
    assert (total.standing, total.moved) == ("edited", True)


def test_another_way_of_writing_values_changes_every_rule(tmp_path: Path, measured: Policy) -> None:
    total = trust_of(rules(tmp_path, AFTER, LAST, task=TASK + "day_first: false\n"), measured)["total"]
    assert (total.standing, total.changed) == ("edited", ("total/after", "total/last"))


def test_a_field_that_was_never_measured(tmp_path: Path, measured: Policy) -> None:
    trust = trust_of(rules(tmp_path, AFTER, LAST, task=TASK + "  date: {type: date}\n"), measured)
    assert (trust["date"].standing, trust["date"].decides) == ("unmeasured", False)


def test_a_policy_without_single_rules_trusts_only_whole_fields(tmp_path: Path) -> None:
    before = rules(tmp_path, AFTER, LAST)
    policy = Policy("bills", versions={"rules": before.field_digests})
    assert trust_of(before, policy)["total"].standing == "measured"
    assert trust_of(rules(tmp_path, AFTER, LAST, NEW), policy)["total"].standing == "edited"
