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
from training.calibrate.combiners import fit_combiners, rows
from training.calibrate.outputs import Observed, observe

CHAIN = ("student", "large")
STRENGTH = 0.3


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
    return loss + STRENGTH / 2 * distance


@settings(max_examples=20)
@given(few)
def test_weights_are_drawn_to_those_of_all_fields_and_those_to_nothing(labels):
    data = [observed(label, str(index), student=one, large=two) for index, (label, one, two) in enumerate(labels)]
    inputs, targets = rows(data, CHAIN, TASK, "shop")
    if not inputs:
        return
    combiners = fit_combiners(data, CHAIN, TASK, strength=STRENGTH)
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
    number = len(rows(data, CHAIN, TASK, "shop")[1])
    combiners = fit_combiners(data, CHAIN, TASK, strength=STRENGTH)
    if not number:
        assert combiners == {}
        return
    bound = 2 * math.sqrt(2 * number * math.log(2) / STRENGTH)
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
    inputs, targets = rows(data, CHAIN, TASK, "shop")
    assert len(inputs) == 3
    assert sorted(targets) == [0.0, 0.0, 1.0]
    assert inputs[targets.index(1.0)]["large.proposed"] == 1.0
    # Only the evidence named is used.
    inputs, targets = rows(data, ("student",), TASK, "shop")
    assert len(inputs) == 2
    assert not any(key.startswith("large") for row in inputs for key in row)


def test_where_a_field_is_absent_every_answer_is_wrong():
    _, targets = rows([observed(None, "1", student={"a": 0.9, "b": 0.2})], ("student",), TASK, "shop")
    assert targets == [0.0, 0.0]
