"""The cascade's laws, over random policies, tiers and answers."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cascade import REASONS, Run
from gateway.combine import Combiner
from gateway.document import TIERS, Candidate, Proposal, TierOutput, Work
from gateway.errors import NotCertified
from gateway.policy import AbsentThreshold, Policy, Threshold, all_chains, chain_name
from gateway.task import FieldSpec, TaskSpec

TASK = TaskSpec(
    "receipts",
    {"total": FieldSpec("total", "money"), "items": FieldSpec("items", "text", many=True)},
)
FIELDS = tuple(TASK.fields)
TARGETS = (0.8, 0.9, 0.95)
VALUES = {"total": ("9.00", "10.00", "x"), "items": ("a", "b", "c")}


def candidate(value, score, source="test"):
    return Candidate(value, value, value, ((0, 1),), score, source)


def found(*pairs):
    return Proposal(tuple(candidate(value, score) for value, score in pairs))


def threshold(value, certified=True):
    return Threshold(value, certified, 100, 1, 100, 0.05)


scores = st.floats(0, 1)


def proposals_for(name):
    items = st.lists(st.sampled_from(VALUES[name]), max_size=3, unique=True)
    return items.flatmap(
        lambda values: st.lists(scores, min_size=len(values), max_size=len(values)).map(
            lambda drawn: found(*zip(values, sorted(drawn, reverse=True), strict=True))
        )
    )


#: What every tier would say about every field, whenever it is asked.
opinions = st.fixed_dictionaries(
    {tier: st.fixed_dictionaries({name: proposals_for(name) for name in FIELDS}) for tier in TIERS}
)
weights = st.floats(-3, 3)
combiners = st.builds(
    Combiner,
    weights,
    st.fixed_dictionaries({f"{tier}.{kind}": weights for tier in TIERS for kind in ("logit", "proposed", "margin")}),
)


def by_chain_and_field(values):
    return st.fixed_dictionaries(
        {chain_name(chain): st.fixed_dictionaries(dict.fromkeys(FIELDS, values)) for chain in all_chains()}
    )


def rising(thresholds):
    """Thresholds that rise with the target, as those of a calibration do."""
    values = sorted(one.value for one in thresholds)
    pairs = zip(values, thresholds, TARGETS, strict=True)
    return {target: replace(one, value=value) for value, one, target in pairs}


by_target = st.lists(st.builds(threshold, scores, st.booleans()), min_size=3, max_size=3).map(rising)
# Combiners are few, as drawing one for each chain and field makes examples too large.
policies = st.builds(
    lambda thresholds, combiner, some: Policy(
        "receipts",
        thresholds=thresholds,
        combiners={chain: {name: combiner for name in FIELDS if name in some} for chain in thresholds},
    ),
    by_chain_and_field(by_target),
    combiners,
    st.sets(st.sampled_from(FIELDS)),
)
qualities = st.sampled_from([0.7, 0.8, 0.9, 0.94, 0.97])
tier_sets = st.sets(st.sampled_from(TIERS), min_size=1).map(lambda chosen: tuple(t for t in TIERS if t in chosen))


def drive(run, opinion, *, failing=(), skipped=()):
    """Ask tiers until the run has no more to ask; returns the extraction and the questions, in order."""
    questions = []
    while (tier := run.next_tier()) is not None:
        assert len(questions) < 20
        questions.append((tier, run.open_fields()))
        if tier in failing:
            run.fail(tier, "down")
        elif tier in skipped:
            run.skip(tier)
        else:
            proposals = {name: opinion[tier][name] for name in run.open_fields()}
            run.absorb(tier, TierOutput(proposals, Work(1.0, 2.0, 3)))
    return run.result(), questions


def extract(opinion, policy, quality=0.9, tiers=TIERS, fields=FIELDS, failing=(), skipped=(), **more):
    run = Run(TASK, policy, fields=fields, quality=quality, tiers=tiers, **more)
    return drive(run, opinion, failing=failing, skipped=skipped)[0]


@given(opinions, policies, qualities, tier_sets)
def test_an_accepted_answer_passed_a_certified_threshold_at_least_as_strict_as_asked(opinion, policy, quality, tiers):
    extraction = extract(opinion, policy, quality, tiers)
    for name, result in extraction.fields.items():
        if result.state == "accepted":
            certified = policy.thresholds[chain_name(tiers)][name][result.guarantee]
            assert certified.certified
            assert result.guarantee >= quality
            assert result.confidence >= certified.value
            assert result.present
        else:
            assert result.guarantee is None


@given(opinions, policies, qualities, tier_sets, st.sets(st.sampled_from(TIERS), min_size=1))
def test_a_tier_that_fails_midway_changes_no_answer_before_it_and_lets_none_be_accepted_after(
    opinion, policy, quality, tiers, failing
):
    whole = extract(opinion, policy, quality, tiers)
    failed = extract(opinion, policy, quality, tiers, failing=failing)
    skipped = extract(opinion, policy, quality, tiers, skipped=failing)
    assert set(failed.unavailable) <= failing
    assert (skipped.fields, skipped.unavailable) == (failed.fields, {})
    for name in FIELDS:
        # How far the field went in the whole chain, and whether that is before the first tier that fails.
        last = max(tiers.index(one.tier) for one in whole.evidence[name].decisions)
        if failing.isdisjoint(tiers[: last + 1]):
            assert failed.fields[name] == whole.fields[name]
        else:
            assert (failed.fields[name].state, failed.fields[name].guarantee) == ("review", None)


@given(opinions, policies, qualities, tier_sets, st.sets(st.sampled_from(TIERS)))
def test_whatever_is_accepted_passed_the_threshold_of_the_chain_known_at_the_start(
    opinion, policy, quality, tiers, out
):
    left = tuple(tier for tier in tiers if tier not in out)
    extraction = extract(opinion, policy, quality, tiers, unavailable=dict.fromkeys(out, "down"))
    assert extraction.fields == extract(opinion, policy, quality, left).fields
    for name, result in extraction.fields.items():
        if result.state == "accepted":
            assert result.confidence >= policy.thresholds[chain_name(left)][name][result.guarantee].value


@given(opinions, policies, qualities, tier_sets)
def test_fields_do_not_influence_each_other(opinion, policy, quality, tiers):
    together = extract(opinion, policy, quality, tiers)
    for name in FIELDS:
        alone = extract(opinion, policy, quality, tiers, fields=(name,))
        assert alone.fields[name] == together.fields[name]
        assert alone.escalations == tuple(step for step in together.escalations if step.field == name)


@given(opinions, policies, tier_sets)
def test_what_is_accepted_at_a_higher_quality_is_accepted_at_a_lower_one(opinion, policy, tiers):
    certified = {
        chain: {
            name: {target: replace(one, certified=True) for target, one in targets.items()}
            for name, targets in fields.items()
        }
        for chain, fields in policy.thresholds.items()
    }
    policy = replace(policy, thresholds=certified)
    strict = extract(opinion, policy, 0.95, tiers)
    lenient = extract(opinion, policy, 0.8, tiers)
    assert set(lenient.tiers) <= set(strict.tiers)
    for name in FIELDS:
        if strict.fields[name].state == "accepted":
            assert lenient.fields[name].state == "accepted"


@given(opinions, policies, qualities, tier_sets)
def test_a_tier_is_asked_only_for_fields_still_open_and_only_once(opinion, policy, quality, tiers):
    run = Run(TASK, policy, fields=FIELDS, quality=quality, tiers=tiers)
    extraction, questions = drive(run, opinion)
    asked = [tier for tier, _ in questions]
    assert tuple(asked) == extraction.tiers == tiers[: len(asked)]
    open_fields = [set(fields) for _, fields in questions]
    assert all(fields for fields in open_fields)
    assert all(later <= earlier for earlier, later in itertools.pairwise(open_fields))
    assert set(extraction.work) == set(asked)


@given(opinions, policies, qualities, tier_sets, st.sets(st.sampled_from(TIERS), max_size=1), st.booleans())
def test_escalations_lead_from_tier_to_tier_that_answered(opinion, policy, quality, tiers, out, fails):
    extraction = extract(opinion, policy, quality, tiers, failing=out if fails else (), skipped=() if fails else out)
    for name in FIELDS:
        steps = [escalation for escalation in extraction.escalations if escalation.field == name]
        for step in steps:
            assert step.to_tier in extraction.tiers
            assert TIERS.index(step.from_tier) < TIERS.index(step.to_tier)
            assert step.reason in REASONS
        assert [step.to_tier for step in steps[:-1]] == [step.from_tier for step in steps[1:]]
        if steps:
            assert extraction.escalated[name] == steps[-1].to_tier
        else:
            assert name not in extraction.escalated


@given(opinions, policies, qualities, st.sampled_from(TIERS))
def test_a_tier_that_is_not_trusted_decides_nothing(opinion, policy, quality, distrusted):
    everywhere = {name: [distrusted] for name in FIELDS}
    extraction = extract(opinion, policy, quality, not_trusted=everywhere)
    without = extract(opinion, policy, quality, unavailable={distrusted: "down"})
    for name in FIELDS:
        assert extraction.fields[name].state == without.fields[name].state
        if without.fields[name].present:
            assert extraction.fields[name].candidates == without.fields[name].candidates
            assert extraction.fields[name].confidence == without.fields[name].confidence


@given(opinions, policies, st.sampled_from(TIERS))
def test_a_tier_alone_answers_with_whatever_it_finds(opinion, policy, tier):
    extraction = extract(opinion, policy, tiers=(tier,), alone=True)
    assert extraction.tiers == (tier,)
    assert extraction.escalations == ()
    for name, result in extraction.fields.items():
        proposed = opinion[tier][name].candidates
        assert result.present == bool(proposed)
        assert result.state == ("accepted" if proposed else "review")
        assert result.guarantee is None
        assert set(result.candidates) <= set(proposed)


@given(opinions, qualities, tier_sets)
def test_without_a_policy_all_tiers_are_asked_and_nothing_is_accepted(opinion, quality, tiers):
    extraction = extract(opinion, None, quality, tiers)
    assert extraction.status == "review"
    assert extraction.tiers == tiers
    assert all(result.state == "review" for result in extraction.fields.values())


def simple_policy(certified=True, value=0.5):
    thresholds = {
        chain_name(chain): {name: {0.9: threshold(value, certified)} for name in FIELDS} for chain in all_chains()
    }
    return Policy("receipts", thresholds=thresholds)


def one_field(proposals, policy, **more):
    opinion = {tier: {"total": proposals.get(tier, Proposal())} for tier in TIERS}
    extraction = extract(opinion, policy, fields=("total",), **more)
    return extraction, extraction.fields["total"]


def test_a_field_is_accepted_at_the_first_tier_that_can_be_trusted():
    extraction, total = one_field({"rules": found(("9.00", 0.4)), "student": found(("9.00", 0.6))}, simple_policy())
    assert extraction.tiers == ("rules", "student")
    assert extraction.status == "complete"
    assert (total.state, total.tier, total.confidence, total.guarantee) == ("accepted", "student", 0.6, 0.9)
    assert extraction.escalated == {"total": "student"}


@pytest.mark.parametrize(
    ("proposals", "reason"),
    [
        ({}, "nothing-found"),
        ({"rules": found(("9.00", 0.1))}, "low-confidence"),
    ],
)
def test_why_a_field_went_on(proposals, reason):
    extraction, _ = one_field(proposals, simple_policy())
    assert extraction.escalations[0].reason == reason


def test_conflict_is_a_reason():
    extraction, _ = one_field({"rules": found(("9.00", 0.1)), "student": found(("10.00", 0.1))}, simple_policy())
    assert [step.reason for step in extraction.escalations] == ["low-confidence", "conflict"]


def test_a_tier_that_is_not_trusted_is_a_reason():
    extraction, _ = one_field(
        {"rules": found(("9.00", 0.9)), "student": found(("9.00", 0.9))},
        simple_policy(),
        not_trusted={"total": ["rules", "student"]},
    )
    assert [step.reason for step in extraction.escalations] == ["not-trusted", "not-trusted"]


def test_what_only_a_tier_that_is_not_trusted_found_is_shown_in_review():
    _, total = one_field({"student": found(("9.00", 0.99))}, simple_policy(), not_trusted={"total": ["student"]})
    assert total.state == "review"
    assert total.candidates[0].value == "9.00"
    assert total.tier == "student"


def test_of_candidates_on_equal_terms_a_tiers_own_order_decides():
    _, total = one_field({"rules": found(("9.00", 0.7), ("10.00", 0.7))}, simple_policy())
    assert total.candidates[0].value == "9.00"


def test_of_tiers_on_equal_terms_the_later_ones_wording_is_taken():
    rules = Proposal((Candidate("RM9.00", "RM9.00", "9.00", ((0, 6),), 0.3, "rules"),))
    student = Proposal((Candidate("9.00", "9.00", "9.00", ((2, 6),), 0.3, "student"),))
    _, total = one_field({"rules": rules, "student": student}, simple_policy())
    assert (total.candidates[0].value, total.tier) == ("9.00", "student")


def test_a_threshold_that_is_not_certified_ends_the_search_but_accepts_nothing():
    extraction, total = one_field({"rules": found(("9.00", 0.9))}, simple_policy(certified=False))
    assert extraction.tiers == ("rules",)
    assert (total.state, total.guarantee, extraction.status) == ("review", None, "review")


def test_all_items_of_a_many_field_are_one_answer():
    opinion = {tier: {"items": Proposal()} for tier in TIERS} | {"rules": {"items": found(("b", 0.9), ("a", 0.8))}}
    items = extract(opinion, simple_policy(), fields=("items",)).fields["items"]
    assert items.many
    assert [item.value for item in items.candidates] == ["b", "a"]
    assert items.confidence == 0.8


def test_a_missing_tier_degrades_only_what_it_leaves_in_review():
    extraction, _ = one_field({"rules": found(("9.00", 0.9))}, simple_policy(), unavailable={"large": "down"})
    assert extraction.status == "complete"
    extraction, _ = one_field({}, simple_policy(), unavailable={"large": "down"})
    assert extraction.status == "degraded"
    assert extraction.unavailable == {"large": "down"}


def test_no_tier_at_all():
    extraction, total = one_field({}, simple_policy(), unavailable=dict.fromkeys(TIERS, "down"))
    assert (extraction.status, extraction.tiers, total.present, total.tier) == ("degraded", (), False, None)


def test_absence_without_a_certificate_settles_but_is_not_accepted():
    """A confident absence asks no further tier, and stays in review; a doubtful one asks."""
    uncertified = replace(threshold(0.6), absent=AbsentThreshold(0.7, 90, 9, 0.2, certified=False))
    policy = Policy(
        "receipts",
        thresholds={"rules+student": {"total": {0.9: uncertified}}},
        combiners={"rules": {"total": Combiner(0.9, {})}, "rules+student": {"total": Combiner(0.9, {})}},
        absence={"rules": {"total": Combiner(2.0, {})}},
    )
    extraction, total = one_field({}, policy, tiers=("rules", "student"))
    assert extraction.tiers == ("rules",)
    assert (total.state, total.present, total.guarantee) == ("review", False, None)
    doubtful = replace(policy, absence={"rules": {"total": Combiner(0.1, {})}})
    extraction, _ = one_field({}, doubtful, tiers=("rules", "student"))
    assert extraction.tiers == ("rules", "student")


def test_absence_may_be_certified_where_values_are_not():
    absent = replace(threshold(0.6, certified=False), absent=AbsentThreshold(0.7, 90, 1, 0.05))
    policy = Policy(
        "receipts",
        thresholds={"rules": {"total": {0.9: absent}}},
        combiners={"rules": {"total": Combiner(0.9, {})}},
        absence={"rules": {"total": Combiner(2.0, {})}},
    )
    _, nothing = one_field({}, policy, tiers=("rules",))
    assert (nothing.state, nothing.present, nothing.guarantee) == ("accepted", False, 0.9)
    _, value = one_field({"rules": found(("9.00", 0.9))}, replace(policy, absence={}), tiers=("rules",))
    assert (value.state, value.present, value.guarantee) == ("review", True, None)


def test_what_does_not_stand_in_the_text_passes_no_threshold():
    unread = Proposal((replace(candidate("9.00", 0.9), spans=()),))
    _, total = one_field({"rules": unread}, simple_policy(value=0.0), tiers=("rules",))
    assert (total.state, total.confidence, total.candidates[0].value) == ("review", 0.0, "9.00")


def laxer_with_large(full=0.68, short=0.73):
    """Certified for all three tiers from ``full`` on, for every other chain only from ``short`` on."""
    policy = simple_policy(value=short)
    lax = {name: {0.9: threshold(full)} for name in FIELDS}
    return replace(policy, thresholds={**policy.thresholds, "rules+student+large": lax})


def test_the_threshold_of_all_tiers_is_not_for_a_chain_that_never_had_one_of_them():
    proposals = {"rules": found(("9.00", 0.7))}
    extraction, total = one_field(proposals, laxer_with_large())
    assert (total.state, total.tier, extraction.tiers) == ("accepted", "rules", ("rules",))
    for terms in ({"unavailable": {"large": "down"}}, {"tiers": ("rules", "student")}):
        extraction, total = one_field(proposals, laxer_with_large(), **terms)
        assert (total.state, total.guarantee, extraction.tiers) == ("review", None, ("rules", "student"))


@pytest.mark.parametrize("how", ["failing", "skipped"])
def test_what_a_shorter_chain_would_accept_is_in_review_once_the_longer_one_has_begun(how):
    policy = laxer_with_large(full=0.99, short=0.6)
    proposals = {"rules": found(("9.00", 0.7)), "student": found(("9.00", 0.8))}
    extraction, total = one_field(proposals, policy, **{how: ("large",)})
    assert (total.state, total.guarantee, total.candidates[0].value) == ("review", None, "9.00")
    assert extraction.status == ("degraded" if how == "failing" else "review")
    last = extraction.evidence["total"].decisions[-1]
    assert (last.tier, last.answered, last.verdict) == ("large", False, "low-confidence")


def test_after_a_failure_further_tiers_are_asked_for_the_answer_shown_and_accept_nothing():
    proposals = {"large": found(("9.00", 0.95))}
    extraction, total = one_field(proposals, simple_policy(), failing=("student",))
    assert extraction.tiers == ("rules", "large")
    assert (total.state, total.tier, total.guarantee, extraction.status) == ("review", "large", None, "degraded")


def test_a_tier_that_decides_nothing_for_a_field_may_fail():
    proposals = {"large": found(("9.00", 0.95))}
    _, total = one_field(proposals, simple_policy(), failing=("student",), not_trusted={"total": ["student"]})
    assert (total.state, total.guarantee) == ("accepted", 0.9)


@pytest.mark.parametrize(("certified", "steer"), [(True, None), (False, 0.8)])
@pytest.mark.parametrize("terms", [{"quality": 0.995}, {"doubted": {"total"}}])
def test_where_nothing_can_be_accepted_the_strictest_threshold_says_when_to_stop(certified, steer, terms):
    value = 0.8 if steer is None else 0.99
    strictest = replace(threshold(value, certified), steer=steer)
    targets = {0.8: threshold(0.1, certified=False), 0.9: strictest}
    policy = Policy("receipts", thresholds={"rules+student+large": {"total": targets}})
    for score, asked in ((0.81, ("rules",)), (0.79, TIERS)):
        extraction, total = one_field({tier: found(("9.00", score)) for tier in TIERS}, policy, **terms)
        assert extraction.tiers == asked
        assert (total.state, total.guarantee) == ("review", None)


def test_strictness_refuses_what_is_not_certified_and_says_what_is():
    with pytest.raises(NotCertified) as caught:
        Run(TASK, simple_policy(), fields=("total", "items"), quality=0.95, strict=True)
    assert caught.value.detail == {
        "certified": {"total": [0.9], "items": [0.9]},
        "quality": {"total": 0.95, "items": 0.95},
    }
    Run(TASK, simple_policy(), fields=("total",), quality=0.9, strict=True)
    Run(TASK, None, fields=("total",), quality=0.9, strict=True, tiers=("rules",), alone=True)
    with pytest.raises(NotCertified):
        Run(TASK, simple_policy(certified=False), fields=("total",), quality=0.9, strict=True)


def test_only_the_tier_asked_may_answer():
    run = Run(TASK, simple_policy(), fields=("total",), quality=0.9)
    with pytest.raises(ValueError, match="student was not asked"):
        run.absorb("student", TierOutput())


def test_nonsense_scores_are_never_accepted():
    _, total = one_field({tier: found(("9.00", float("nan"))) for tier in TIERS}, simple_policy())
    assert total.state == "review"


def test_a_field_has_its_own_default_quality_and_a_request_overrides_it():
    strict = replace(TASK, fields={**TASK.fields, "total": replace(TASK.fields["total"], quality=0.95)})
    assert strict.qualities() == {**dict.fromkeys(TASK.fields, TASK.quality), "total": 0.95}
    assert set(strict.qualities(0.8).values()) == {0.8}
    # The policy certifies 0.9 and no more: the field that wants 0.95 stays in review.
    for quality, states in ((None, ("review", "accepted")), (0.9, ("accepted", "accepted"))):
        run = Run(strict, simple_policy(), fields=("total", "items"), quality=quality, tiers=("rules",))
        run.absorb("rules", TierOutput({name: found(("9.00", 0.99)) for name in ("total", "items")}))
        assert tuple(run.result().fields[name].state for name in ("total", "items")) == states


@given(opinions, policies, qualities, tier_sets)
def test_a_doubted_field_is_answered_as_for_the_next_stricter_target(opinion, policy, quality, tiers):
    usual = extract(opinion, policy, quality, tiers)
    careful = extract(opinion, policy, quality, tiers, doubted={"total"})
    assert careful.fields["items"] == usual.fields["items"]
    serving = policy.threshold(tiers, "total", quality)
    stricter = [target for target in policy.targets(tiers, "total") if serving and target > serving[0]]
    total = careful.fields["total"]
    if not stricter:
        assert total.state == "review"
    elif total.state == "accepted":
        assert total.guarantee == serving[0]
        as_strict = extract(opinion, policy, stricter[0], tiers).fields["total"]
        assert (as_strict.state, as_strict.candidates) == ("accepted", total.candidates)
