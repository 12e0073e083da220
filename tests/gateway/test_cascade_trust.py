"""What authors state, what rules found that nobody measured, and rules that ran out of time."""

from __future__ import annotations

import pytest

from gateway.cascade import Extraction, Run
from gateway.document import TIERS, Candidate, Proposal, TierName, TierOutput
from gateway.errors import NotCertified
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.task import AuthorRules, FieldSpec, TaskSpec

MEASURED = Policy(
    "bills",
    thresholds={chain_name(chain): {"total": {0.9: Threshold(0.8, True, 90, 1, 100, 0.05)}} for chain in all_chains()},
)


def candidate(value: str, score: float = 0.5, source: str = "total/rule") -> Candidate:
    return Candidate(value, value, value, ((0, len(value)),), score, source)


def run(
    outputs: dict[TierName, Proposal],
    policy: Policy | None = MEASURED,
    *,
    author_rules: AuthorRules = "unless-quality",
    timed_out: tuple[TierName, ...] = (),
    trusted: bool = True,
    **terms: object,
) -> Extraction:
    task = TaskSpec("bills", {"total": FieldSpec("total", "money")}, author_rules=author_rules)
    not_trusted: dict[str, list[TierName]] = {} if trusted else {"total": ["rules"]}
    going = Run(task, policy, fields=["total"], not_trusted=not_trusted, **terms)  # type: ignore[arg-type]
    while (tier := going.next_tier()) is not None:
        late = ("total",) if tier in timed_out else ()
        going.absorb(tier, TierOutput({"total": outputs.get(tier, Proposal())}, timed_out=late))
    return going.result()


VOUCHED = Proposal((candidate("9.00"),), author_precision=0.95)


UNCERTIFIED = Policy(
    "bills",
    thresholds={chain_name(chain): {"total": {0.9: Threshold(0.8, False, 9, 1, 100, 0.5)}} for chain in all_chains()},
)


@pytest.mark.parametrize(
    ("policy", "tiers"), [(None, TIERS), (UNCERTIFIED, TIERS), (None, ("rules",)), (MEASURED, ("rules",))]
)
def test_an_author_vouches_where_nothing_is_measured(policy: Policy | None, tiers: tuple[TierName, ...]) -> None:
    extraction = run({"rules": VOUCHED}, policy, trusted=False, tiers=tiers)
    total = extraction.fields["total"]
    assert (total.state, total.guarantee, total.confidence, total.tier) == ("accepted", "author", 0.95, "rules")
    assert (extraction.status, extraction.tiers) == ("complete", ("rules",))


def test_a_certified_chain_decides_before_the_author_of_a_rule_that_is_not_measured() -> None:
    # Were the author asked first, the chain would be left with the documents that its rule cannot answer.
    sure: dict[TierName, Proposal] = {"rules": VOUCHED, "student": Proposal((candidate("7.00", 0.9),))}
    certified = run(sure, trusted=False)
    assert (certified.fields["total"].guarantee, certified.fields["total"].candidates[0].value) == (0.9, "7.00")
    silent = run({**sure, "rules": Proposal()}, trusted=False)
    assert (silent.fields, silent.tiers) == (certified.fields, certified.tiers)
    left_open = run({"rules": VOUCHED}, trusted=False)
    assert (left_open.fields["total"].guarantee, left_open.tiers) == ("author", TIERS)
    contradicted = run({"rules": VOUCHED, "large": Proposal((candidate("7.00", 0.4),))}, trusted=False)
    assert contradicted.fields["total"].state == "review"


@pytest.mark.parametrize(
    ("choice", "quality", "accepted"),
    [
        ("unless-quality", None, True),
        ("unless-quality", 0.9, False),
        ("always", 0.9, True),
        ("always", 0.96, False),
        ("never", None, False),
    ],
)
def test_when_an_authors_word_counts(choice: AuthorRules, quality: float | None, accepted: bool) -> None:
    total = run({"rules": VOUCHED}, None, trusted=False, author_rules=choice, quality=quality).fields["total"]
    assert (total.state == "accepted", total.guarantee == "author") == (accepted, accepted)


def test_a_stated_precision_below_the_target_is_not_enough() -> None:
    vouched = Proposal((candidate("9.00"),), author_precision=0.89)
    assert run({"rules": vouched}, None, trusted=False).fields["total"].state == "review"


def test_strict_quality_never_takes_an_authors_word() -> None:
    with pytest.raises(NotCertified):
        run({"rules": VOUCHED}, None, trusted=False, author_rules="always", strict=True)
    total = run({"rules": VOUCHED}, MEASURED, trusted=False, author_rules="always", strict=True).fields["total"]
    assert total.state == "review"


def test_evidence_has_no_part_in_what_measured_tiers_decide() -> None:
    evidence = (candidate("7.00", 0.99, "total/new"),)
    for score in (0.7, 0.85):
        own = (candidate("9.00", score),)
        without = run({"rules": Proposal(own), "student": Proposal((candidate("9.00", 0.75),))})
        beside = run({"rules": Proposal(own, evidence), "student": Proposal((candidate("9.00", 0.75),))})
        assert beside.fields == without.fields
        assert beside.escalations == without.escalations
        assert beside.evidence["total"].decisions == without.evidence["total"].decisions
        assert beside.evidence["total"].unmeasured == evidence


def test_evidence_is_shown_in_review_where_nothing_else_was_found() -> None:
    total = run({"rules": Proposal((), (candidate("7.00", source="total/new"),))}).fields["total"]
    assert (total.state, total.tier, total.guarantee) == ("review", "rules", None)
    assert [each.source for each in total.candidates] == ["total/new"]


def test_beside_measured_rules_an_authors_word_comes_last() -> None:
    new = Proposal((), (candidate("7.00", source="total/new"),), 0.95)
    extraction = run({"rules": new})
    assert extraction.tiers == TIERS
    assert extraction.fields["total"].guarantee == "author"
    assert extraction.evidence["total"].decisions[-1].verdict == "accepted"
    certified = run({"rules": new, "student": Proposal((candidate("9.00", 0.9),))}).fields["total"]
    assert (certified.guarantee, certified.candidates[0].value) == (0.9, "9.00")
    contradicted = run({"rules": new, "student": Proposal((candidate("9.00", 0.4),))}).fields["total"]
    assert (contradicted.state, contradicted.candidates[0].value) == ("review", "9.00")
    agreed = run({"rules": new, "student": Proposal((candidate("7.00", 0.4),))}).fields["total"]
    assert agreed.guarantee == "author"


def test_a_rule_that_ran_out_of_time_escalates_its_field() -> None:
    sure = {"rules": Proposal((candidate("9.00", 0.99),))}
    extraction = run({**sure, "student": Proposal((candidate("9.00", 0.99),))}, timed_out=("rules",))
    assert [(step.to_tier, step.reason) for step in extraction.escalations] == [("student", "rule-timeout")]
    assert extraction.fields["total"].state == "accepted"
    alone = run(sure, timed_out=("rules",), tiers=("rules",))
    assert alone.fields["total"].state == "review"
    assert alone.evidence["total"].decisions[-1].verdict == "rule-timeout"


def test_nobody_vouches_for_a_rule_that_ran_out_of_time() -> None:
    extraction = run({"rules": VOUCHED}, None, trusted=False, timed_out=("rules",))
    assert extraction.fields["total"].state == "review"
    assert extraction.escalations[0].reason == "rule-timeout"
