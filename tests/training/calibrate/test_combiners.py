"""Fitting combiners: what agreement, conflict and few labels do to them."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.combine import answers_of, features, most_probable
from gateway.evaluation.dataset import LabelledDocument
from gateway.values import DEFAULT_OPTIONS
from tests.training.calibrate.synthetic import TASK, NoisyTier, documents, observed, output
from training.calibrate.combiners import STRENGTH, STRENGTHS, choose_strength, fit_combiners, rows
from training.calibrate.outputs import Observed, observe

CHAIN = ("student", "large")
WEAK = 0.3


def probability(combiner, value, **found):
    answers = {tier: answers_of(output(scores).proposals["shop"], many=False) for tier, scores in found.items()}
    return combiner.probability(features((value,), answers, valid=True))


@pytest.fixture(scope="module")
def fitted():
    """A combiner of two tiers that are right in 4 of 5 documents, independently of each other, or find nothing."""
    rng = random.Random(0)
    data = []
    for number in range(400):
        found = {}
        for tier in CHAIN:
            right, silent = rng.random() < 0.8, rng.random() < 0.1
            value = "a" if right else rng.choice("bcd")
            found[tier] = {} if silent else {value: rng.uniform(0.6, 0.95) if right else rng.uniform(0.3, 0.8)}
        data.append(observed("a", str(number), **found))
    return fit_combiners(data, CHAIN, TASK)["shop"]


def test_agreement_raises_the_probability_and_conflict_lowers_it(fitted):
    agreed = probability(fitted, "a", student={"a": 0.8}, large={"a": 0.8})
    alone = probability(fitted, "a", student={"a": 0.8}, large={})
    against = probability(fitted, "a", student={"a": 0.8}, large={"b": 0.8})
    assert agreed > alone > against
    assert agreed > 0.95
    assert against < 0.7
    # Whom the evidence leaves equal stays about equal.
    assert abs(probability(fitted, "b", student={"a": 0.8}, large={"b": 0.8}) - against) < 0.2


def test_a_higher_score_is_more_probable(fitted):
    found = [probability(fitted, "a", student={"a": score}, large={"a": 0.8}) for score in (0.3, 0.6, 0.9)]
    assert found == sorted(found)
    assert found[0] < found[2]


def test_a_combiner_knows_more_than_any_tier_s_score():
    """On fresh documents its probabilities are nearer to the truth (log loss), and surer answers are oftener right."""
    tiers = {"student": NoisyTier("student", 0.3, 0), "large": NoisyTier("large", 0.6, 0)}
    combiner = fit_combiners(observe(tiers, documents(400, 1), TASK), CHAIN, TASK)["shop"]
    fresh = observe(tiers, documents(1000, 2), TASK)

    def judged(evidence, combiner):
        """Probability and rightness of every document's best answer, least probable first."""
        pairs = []
        for item in fresh:
            answers = {tier: item.answers(tier, TASK, "shop") for tier in evidence}
            best, chance = most_probable(answers, combiner, "text", options=DEFAULT_OPTIONS)
            if best is not None:
                pairs.append((chance, item.judge(best, TASK, "shop")))
        return sorted(pairs)

    def loss(pairs):
        return -sum(math.log(max(1e-9, chance if right else 1 - chance)) for chance, right in pairs) / len(pairs)

    together = judged(CHAIN, combiner)
    assert loss(together) < min(loss(judged(("student",), None)), loss(judged(("large",), None)))
    third = len(together) // 3
    rates = [sum(right for _, right in together[part * third : (part + 1) * third]) / third for part in range(3)]
    assert rates[0] < rates[1] < rates[2]


scored = st.dictionaries(st.sampled_from("abc"), st.floats(0, 1), max_size=3)
few = st.lists(st.tuples(st.sampled_from("ab"), scored, scored), min_size=1, max_size=12)


def penalised(combiner, prior, inputs, targets):
    """Negative log-likelihood and strength/2 times the squared distance from the prior (a tenth of the intercept's)."""
    loss = 0.0
    for row, target in zip(inputs, targets, strict=True):
        total = combiner[""] + sum(weight * row.get(name, 0.0) for name, weight in combiner.items() if name)
        loss += math.log1p(math.exp(-abs(total))) + max(total, 0.0) - target * total
    distance = sum(
        (0.1 if name == "" else 1.0) * (weight - prior.get(name, 0.0)) ** 2 for name, weight in combiner.items()
    )
    return loss + WEAK / 2 * distance


@settings(max_examples=20)
@given(few)
def test_weights_are_drawn_to_those_of_all_fields_and_those_to_nothing(labels):
    data = [observed(label, str(index), student=one, large=two) for index, (label, one, two) in enumerate(labels)]
    found = rows(data, CHAIN, TASK, "shop")
    inputs, targets = found.inputs, found.targets
    if not inputs:
        return
    combiners = fit_combiners(data, CHAIN, TASK, strength=WEAK)
    # Nobody labelled items, so their weights are those fitted on all fields together.
    pooled, own = ({"": found.intercept, **found.weights} for found in (combiners["item"], combiners["shop"]))
    for weights, prior in ((pooled, dict.fromkeys(pooled, 0.0)), (own, pooled)):
        best = penalised(weights, prior, inputs, targets)
        for name in weights:
            for step in (-0.05, 0.05):
                assert best <= penalised({**weights, name: weights[name] + step}, prior, inputs, targets) + 1e-4


@settings(max_examples=20)
@given(few)
def test_few_labels_do_not_run_wild(labels):
    """The penalty bounds the weights, however well the labels can be told apart.

    At the optimum penalty + loss is at most the loss of no weights at all, n·ln 2; the field's own fit starts from the
    pooled one, so its distance from that has the same bound.
    """
    data = [observed(label, str(index), student=one, large=two) for index, (label, one, two) in enumerate(labels)]
    number = len(rows(data, CHAIN, TASK, "shop").targets)
    combiners = fit_combiners(data, CHAIN, TASK, strength=WEAK)
    if not number:
        assert combiners == {}
        return
    bound = 2 * math.sqrt(2 * number * math.log(2) / WEAK)
    for combiner in combiners.values():
        weights = list(combiner.weights.values())
        assert all(math.isfinite(weight) for weight in (combiner.intercept, *weights))
        assert math.hypot(*weights) <= bound + 1e-3


def test_three_easy_labels_say_little():
    data = [observed("a", str(number), student={"a": 0.99, "b": 0.01}) for number in range(3)]
    combiner = fit_combiners(data, ("student",), TASK)["shop"]
    assert max(abs(weight) for weight in (combiner.intercept, *combiner.weights.values())) < 1
    assert probability(combiner, "a", student={"a": 0.02, "b": 0.01}) < 0.9


def test_a_field_without_labels_takes_the_weights_of_all():
    tiers = {"student": NoisyTier("student", 0.5, 0)}
    data = [
        Observed(
            LabelledDocument(item.document.id, item.document.text, {"shop": item.document.labels["shop"]}), item.outputs
        )
        for item in observe(tiers, documents(50, 3), TASK)
    ]
    combiners = fit_combiners(data, ("student",), TASK)
    assert set(combiners) == {"shop", "item"}
    pooled, own = combiners["item"], combiners["shop"]
    assert set(pooled.weights) == set(own.weights)
    assert all(abs(pooled.weights[name] - own.weights[name]) < 1 for name in own.weights)


def test_tiers_that_found_nothing_have_no_combiner():
    assert fit_combiners([observed("a", student={})], ("student",), TASK) == {}
    assert fit_combiners([], ("student",), TASK) == {}


def test_every_different_answer_is_a_row_and_only_where_somebody_looked():
    data = [
        observed("a", "1", student={"a": 0.9, "b": 0.2}, large={"a": 0.8, "c": 0.1}),
        Observed(LabelledDocument("2", "2", {}), {tier: output({"a": 0.9}) for tier in CHAIN}),
    ]
    found = rows(data, CHAIN, TASK, "shop")
    assert len(found.inputs) == 3
    assert sorted(found.targets) == [0.0, 0.0, 1.0]
    assert found.inputs[found.targets.index(1.0)]["large.proposed"] == 1.0
    # "b" and "c" are second choices.
    assert (found.documents, found.nominated) == ([0, 0, 0], [True, False, False])
    # Only the evidence named is used.
    found = rows(data, ("student",), TASK, "shop")
    assert len(found.inputs) == 2
    assert not any(key.startswith("large") for row in found.inputs for key in row)


def test_where_a_field_is_absent_every_answer_is_wrong():
    found = rows([observed(None, "1", student={"a": 0.9, "b": 0.2})], ("student",), TASK, "shop")
    assert found.targets == [0.0, 0.0]


def boastful_rules(size, right, name, rng):
    """Documents in which rules are right with this probability, whatever they say, and a student four times in five."""
    data = []
    for number in range(size):
        values = {"rules": "a" if rng.random() < right else "b", "student": "a" if rng.random() < 0.8 else "c"}
        data.append(observed("a", f"{name}{number}", **{tier: {value: 0.9} for tier, value in values.items()}))
    return data


@pytest.mark.parametrize("chain", [("rules",), ("rules", "student")])
def test_rules_are_trusted_as_far_as_they_go_on_documents_they_were_not_written_on(chain):
    rng = random.Random(4)
    written_on = boastful_rules(400, 1.0, "seen", rng)
    others = boastful_rules(80, 0.8, "other", rng)
    fresh = boastful_rules(1000, 0.8, "fresh", rng)

    def loss(seen):
        combiner = fit_combiners([*written_on, *others], chain, TASK, seen=seen)["shop"]
        assert not any(name.startswith("seen.") for name in combiner.weights)
        total = 0.0
        for item in fresh:
            answers = {tier: item.answers(tier, TASK, "shop") for tier in chain}
            best, chance = most_probable(answers, combiner, "text", options=DEFAULT_OPTIONS)
            total -= math.log(chance if item.judge(best, TASK, "shop") else 1 - chance)
        return total / len(fresh)

    assert loss({item.document.id for item in written_on}) < loss(()) - 0.05


def test_the_strength_is_the_one_that_states_fitting_probabilities_for_other_groups():
    rng = random.Random(2)
    # Merchants differ in how right the student is, and a score says nothing: weights that follow it learn merchants.
    data, groups = [], {}
    for merchant in range(12):
        skill = rng.choice([0.5, 1.0])
        score = rng.uniform(0.3, 0.99)
        for number in range(6):
            identifier = f"{merchant}/{number}"
            data.append(observed("a", identifier, student={"a" if rng.random() < skill else "b": score}))
            groups[identifier] = str(merchant)
    strength, losses = choose_strength(data, [("student",)], TASK, groups=groups)
    assert set(losses) == set(STRENGTHS)
    assert losses[strength] == min(losses.values())
    # Were the documents of a merchant not held out together, its skill would seem to be learned from its score.
    apart, leaking = choose_strength(data, [("student",)], TASK)
    assert leaking[STRENGTHS[0]] < losses[STRENGTHS[0]]
    assert strength >= apart


def test_with_too_few_groups_no_strength_is_chosen():
    data = [observed("a", str(number), student={"a": 0.9}) for number in range(40)]
    assert choose_strength(data, [("student",)], TASK, groups=dict.fromkeys(map(str, range(40)), "one")) == (
        STRENGTH,
        {},
    )
    assert choose_strength([], [("student",)], TASK) == (STRENGTH, {})
