import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.combine import (
    SCORE_CEILING,
    SCORE_FLOOR,
    Combiner,
    answers_of,
    features,
    log_odds,
    most_probable,
    nominees,
)
from gateway.document import TIERS, Candidate, Proposal
from gateway.values import DEFAULT_OPTIONS

scores = st.floats(0, 1)
finite = st.floats(-1e6, 1e6)


def candidate(value, score):
    return Candidate(value, value, value, ((0, 1),), score, "test")


def proposal(*pairs):
    return Proposal(tuple(candidate(value, score) for value, score in pairs))


# The signs every sensible combiner has: evidence for an answer counts for it, evidence for another one against it.
SENSIBLE = Combiner(
    -1.0,
    {
        "valid": 1.0,
        **{f"{tier}.logit": 0.7 for tier in TIERS},
        **{f"{tier}.proposed": 1.0 for tier in TIERS},
        **{f"{tier}.margin": 0.2 for tier in TIERS},
        **{f"{tier}.other": -0.2 for tier in TIERS},
    },
)


def probability(value, **answers):
    proposals = {tier: answers_of(found, many=False) for tier, found in answers.items()}
    return SENSIBLE.probability(features((value,), proposals, valid=True))


def test_a_single_field_offers_each_candidate_as_an_answer_best_first():
    answers = answers_of(proposal(("a", 0.9), ("b", 0.4)), many=False)
    assert [(answer.key, answer.score) for answer in answers] == [(("a",), 0.9), (("b",), 0.4)]


def test_a_many_field_offers_all_items_as_one_answer_only_as_sure_as_its_least():
    (answer,) = answers_of(proposal(("b", 0.9), ("a", 0.4)), many=True)
    assert answer.key == ("a", "b")
    assert answer.score == 0.4
    assert [item.value for item in answer.candidates] == ["b", "a"]


@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("found", [None, Proposal()])
def test_nothing_found_is_no_answer(found, many):
    assert answers_of(found, many) == []


@given(st.permutations([("a", 0.5), ("b", 0.6), ("b", 0.6), ("c", 0.7)]))
def test_the_order_of_items_is_no_part_of_a_many_answer(pairs):
    (answer,) = answers_of(proposal(*pairs), many=True)
    assert answer.key == ("a", "b", "b", "c")
    assert answer.score == 0.5


@given(scores, scores)
def test_log_odds_rise_with_the_score_and_stay_bounded(one, other):
    low, high = sorted((one, other))
    assert log_odds(low) <= log_odds(high)
    assert log_odds(SCORE_FLOOR) <= log_odds(one) <= log_odds(SCORE_CEILING)
    assert math.isclose(log_odds(0.25), -log_odds(0.75))


@given(finite, st.dictionaries(st.sampled_from(["a", "b", "c"]), finite), st.dictionaries(st.text(), finite))
def test_a_probability_is_one_whatever_the_weights(intercept, weights, values):
    assert 0.0 <= Combiner(intercept, weights).probability(values) <= 1.0


@given(st.floats(-30, 30))
def test_the_probability_is_the_logistic_function(total):
    expected = 1 / (1 + math.exp(-total))
    assert math.isclose(Combiner(total, {}).probability({}), expected, rel_tol=1e-12)
    assert math.isclose(Combiner(0.0, {"x": total}).probability({"x": 1.0}), expected, rel_tol=1e-12)


@given(scores, scores)
def test_agreement_raises_and_conflict_lowers_the_probability(rules, student):
    agreeing = probability("a", rules=proposal(("a", rules)), student=proposal(("a", student)))
    silent = probability("a", rules=proposal(("a", rules)), student=Proposal())
    conflicting = probability("a", rules=proposal(("a", rules)), student=proposal(("b", student)))
    assert silent >= conflicting
    if student > 0.01:
        assert silent > conflicting
    # A tier that thinks its own candidate unlikely is no support for it.
    if student >= 0.5:
        assert agreeing > silent


@given(scores, scores)
def test_a_better_score_of_its_own_never_hurts(one, other):
    low, high = sorted((one, other))
    rival = ("b", 0.5)
    assert probability("a", student=proposal(("a", high), rival)) >= probability(
        "a", student=proposal(("a", low), rival)
    )


def test_features_of_an_answer_nobody_proposed():
    values = features(("x",), {"rules": answers_of(proposal(("a", 0.9)), many=False), "student": []}, valid=False)
    assert values["valid"] == 0.0
    assert values["rules.proposed"] == values["rules.logit"] == 0.0
    assert values["rules.margin"] < 0 < values["rules.other"]
    assert values["student.margin"] == values["student.other"] == 0.0


def test_features_name_only_the_tiers_that_answered():
    values = features(("x",), {"student": []}, valid=True)
    own = {f"student.{name}" for name in ("logit", "proposed", "margin", "other", "rivals")}
    assert set(values) == {"valid", "agree", *own}


def offered(**found):
    return {tier: answers_of(one, many=False) for tier, one in found.items()}


def test_the_most_probable_answer_weighs_what_all_tiers_say():
    answers = offered(rules=proposal(("a", 0.8)), student=proposal(("b", 0.85), ("a", 0.6)))
    best, chance = most_probable(answers, SENSIBLE, "text", options=DEFAULT_OPTIONS)
    assert best.key == ("a",)
    assert chance == SENSIBLE.probability(features(("a",), answers, valid=True))
    by_score, score = most_probable(answers, None, "text", options=DEFAULT_OPTIONS)
    assert (by_score.key, score) == (("b",), 0.85)


def test_a_value_that_does_not_read_as_its_type_is_less_probable():
    answers = offered(rules=proposal(("9.00", 0.7), ("none", 0.7)))
    assert most_probable(answers, SENSIBLE, "money", options=DEFAULT_OPTIONS)[0].key == ("9.00",)
    answers = offered(rules=proposal(("none", 0.7), ("9.00", 0.7)))
    assert most_probable(answers, SENSIBLE, "money", options=DEFAULT_OPTIONS)[0].key == ("9.00",)


def test_a_tier_alone_keeps_its_own_order_whatever_the_combiner_says():
    """Two figures of the document do not outweigh what the tier saw of it."""
    answers = offered(rules=proposal(("a", 0.6), ("b", 0.9)))
    for combiner in (None, SENSIBLE):
        assert most_probable(answers, combiner, "text", options=DEFAULT_OPTIONS)[0].key == ("a",)


def test_a_second_choice_counts_where_another_tier_puts_it_forward():
    answers = offered(rules=proposal(("a", 0.5), ("b", 0.5)), student=proposal(("b", 0.9)))
    assert most_probable(answers, SENSIBLE, "text", options=DEFAULT_OPTIONS)[0].key == ("b",)
    both = offered(rules=proposal(("a", 0.2), ("c", 0.5)), student=proposal(("b", 0.2), ("c", 0.5)))
    assert most_probable(both, SENSIBLE, "text", options=DEFAULT_OPTIONS)[0].key == ("b",)


@given(st.lists(st.tuples(st.sampled_from("abcd"), scores), min_size=1, max_size=4))
def test_what_a_tier_puts_forward_is_its_first_choice(pairs):
    answers = offered(student=proposal(*pairs))
    assert nominees(answers, "text", options=DEFAULT_OPTIONS)["student"].key == (pairs[0][0],)


def test_nothing_offered():
    assert most_probable({}, SENSIBLE, "text", options=DEFAULT_OPTIONS) == (None, -1.0)
    assert most_probable({"rules": []}, None, "text", options=DEFAULT_OPTIONS) == (None, -1.0)


def test_an_answer_that_is_not_in_the_text_is_never_probable_enough():
    invented = answers_of(Proposal((Candidate("8.00", "8.00", "8.00", (), 0.99, "large/ungrounded"),)), False)
    read = answers_of(proposal(("9.00", 0.01)), False)
    for combiner in (None, Combiner(5.0, {})):
        best, probability = most_probable(
            {"rules": read, "large": invented}, combiner, "money", options=DEFAULT_OPTIONS
        )
        assert best is read[0]
        assert probability > 0
        alone = most_probable({"large": invented}, combiner, "money", options=DEFAULT_OPTIONS)
        assert alone == (invented[0], -1.0), "no threshold accepts it"
