"""Proposals in which only measured rules have a part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.document import Document
from gateway.home import Home
from gateway.policy import Policy
from gateway.tiers.rules.loading import load_rules
from gateway.tiers.rules.tier import RulesTier
from gateway.trust import TrustedRules, rule_digests, trust_of

TASK = "task: bills\nfields:\n  total: {type: money}\n  tag: {type: text, many: true}\n"
AFTER = "  - {id: after, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', priority: 20}\n"
LAST = "  - {id: last, kind: pattern, pattern: '\\d+\\.\\d\\d', prefer: last, priority: 10}\n"
NEW = "  - {id: new, kind: anchor, label: 'DUE', value: '\\d+\\.\\d\\d', priority: 90}\n"
AGREED = "  - {id: agreed, kind: agreement, least: 2, priority: 99}\n"
TEXT = "DUE 7.00\nTOTAL 9.00\nCASH 10.00"

Build = Callable[..., RulesTier]


@pytest.fixture
def tier(tmp_path: Path) -> Build:
    home = Home(tmp_path)
    (home.rules / "bills").mkdir(parents=True)
    (home.rules / "bills" / "task.yaml").write_text(TASK)

    def build(*total: str, tag: str = "") -> RulesTier:
        (home.rules / "bills" / "total.yaml").write_text("field: total\nrules:\n" + "".join(total))
        if tag:
            (home.rules / "bills" / "tag.yaml").write_text("field: tag\nrules:\n" + tag)
        return RulesTier(load_rules(home.rules, home.task("bills")))

    return build


def measured(tier: RulesTier) -> Policy:
    return Policy("bills", versions={"rules": tier.field_versions, "rule_digests": rule_digests(tier.rules)})


def vouching(rule: str, precision: float) -> str:
    return rule.replace("kind:", f"author_precision: {precision}, kind:")


def test_measured_rules_propose_as_they_did_when_others_were_added(tier: Build) -> None:
    before = tier(AFTER, LAST, AGREED)
    policy = measured(before)
    now = tier(AFTER, LAST, AGREED, NEW)
    trusted = TrustedRules(now, trust_of(now.rules, policy))
    for text in (TEXT, "DUE 7.00", "CASH 9.00\nTOTAL 9.00\nDUE 9.00", ""):
        document = Document(text)
        [expected], [found] = before.propose([document], ["total"]), trusted.propose([document], ["total"])
        assert found.proposals["total"].candidates == expected.proposals["total"].candidates
    proposal = trusted.propose([Document(TEXT)], ["total"])[0].proposals["total"]
    assert [(each.source, each.value) for each in proposal.evidence] == [("total/new", "7.00")]
    assert now.propose([Document(TEXT)], ["total"])[0].proposals["total"].best != proposal.best


def test_unedited_rules_run_once_and_show_no_evidence(tier: Build) -> None:
    now = tier(AFTER, LAST)
    trusted = TrustedRules(now, trust_of(now.rules, measured(now)))
    proposal = trusted.propose([Document(TEXT)], ["total"])[0].proposals["total"]
    assert proposal == now.propose([Document(TEXT)], ["total"])[0].proposals["total"]


def test_an_author_vouches_for_the_rule_that_answers(tier: Build) -> None:
    now = tier(vouching(AFTER, 0.97), LAST)
    trusted = TrustedRules(now, {})
    assert trusted.propose([Document(TEXT)], ["total"])[0].proposals["total"].author_precision == 0.97
    cash = trusted.propose([Document("CASH 10.00")], ["total"])[0].proposals["total"]
    assert (cash.best and cash.best.value, cash.author_precision) == ("10.00", None)


def test_authors_who_contradict_each_other_vouch_for_nothing(tier: Build) -> None:
    now = tier(vouching(AFTER, 0.97), vouching(LAST, 0.96))
    trusted = TrustedRules(now, {})
    precision = {
        text: trusted.propose([Document(text)], ["total"])[0].proposals["total"].author_precision
        for text in (TEXT, "CASH 10.00\nTOTAL 9.00")
    }
    assert precision == {TEXT: None, "CASH 10.00\nTOTAL 9.00": 0.97}


def test_measured_rules_need_no_authors(tier: Build) -> None:
    now = tier(vouching(AFTER, 0.97), LAST)
    trusted = TrustedRules(now, trust_of(now.rules, measured(now)))
    assert trusted.propose([Document(TEXT)], ["total"])[0].proposals["total"].author_precision is None


def test_all_items_of_a_many_field_need_an_author_and_the_least_sure_one_counts(tier: Build) -> None:
    tags = "  - {id: hash, kind: pattern, pattern: '#\\w+', author_precision: 0.99}\n"
    more = "  - {id: at, kind: pattern, pattern: '@\\w+'%s}\n"
    text = Document("#red @blue")
    for stated, expected in ((", author_precision: 0.95", 0.95), ("", None)):
        now = tier(AFTER, tag=tags + more % stated)
        proposal = TrustedRules(now, {}).propose([text], ["tag"])[0].proposals["tag"]
        assert [each.value for each in proposal.candidates] == ["#red", "@blue"]
        assert proposal.author_precision == expected


def test_an_added_rule_that_runs_away_does_not_hold_up_the_measured_ones(tier: Build) -> None:
    before = tier(AFTER, LAST)
    policy = measured(before)
    now = tier(AFTER, LAST, "  - {id: slow, kind: pattern, pattern: '^(a|aa)+$', priority: 99}\n")
    trusted = TrustedRules(now, trust_of(now.rules, policy))
    output = trusted.propose([Document("a" * 60 + "b\nTOTAL 9.00")], ["total"])[0]
    assert output.timed_out == ()
    assert output.proposals["total"].best is not None
    assert trusted.timeouts == {"total/slow": 1}
