"""Spending a budget: closed forms against brute force, and the published example of a model that serves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from training.scaling.allocate import (
    allocate,
    allocate_at_loss,
    allocate_within,
    best_size,
    budget_of_size,
    smallest_size,
)
from training.scaling.law import CHINCHILLA, ScalingLaw

LAWS = st.builds(
    ScalingLaw,
    E=st.floats(0, 3),
    A=st.floats(1, 1e4),
    B=st.floats(1, 1e4),
    alpha=st.floats(0.1, 1),
    beta=st.floats(0.1, 1),
)
BUDGETS = st.floats(12, 25).map(lambda exponent: 10**exponent)


@given(LAWS, BUDGETS, st.floats(0.05, 20))
def test_no_other_size_does_better_with_the_same_training(law, flops, factor):
    best = allocate(law, flops)
    assert best.flops == best.training_flops == pytest.approx(flops, rel=1e-9)
    parameters = best.parameters * factor
    assert law.loss(parameters, flops / (6 * parameters)) >= best.loss * (1 - 1e-12)


@given(LAWS, BUDGETS)
def test_the_budget_of_a_size_is_the_inverse(law, flops):
    assert budget_of_size(law, allocate(law, flops).parameters) == pytest.approx(flops, rel=1e-6)


@given(LAWS, BUDGETS, st.floats(6, 14).map(lambda exponent: 10**exponent), st.floats(0.3, 3))
def test_no_other_size_reaches_the_loss_for_less_in_all(law, flops, served, factor):
    training = allocate(law, flops)
    best = allocate_at_loss(law, training.loss, served)
    assert best.loss == pytest.approx(training.loss, rel=1e-6)
    assert best.parameters <= training.parameters * (1 + 1e-6)
    parameters = best.parameters * factor
    try:
        tokens = law.tokens_for(parameters, training.loss)
    except ConfigurationError:
        assert factor < 1  # too small to ever get there
        return
    assert 6 * parameters * tokens + 2 * parameters * served >= best.flops * (1 - 1e-6)


@given(LAWS, BUDGETS)
def test_without_serving_the_cheapest_way_is_the_training_optimum(law, flops):
    training = allocate(law, flops)
    assert allocate_at_loss(law, training.loss).flops == pytest.approx(flops, rel=1e-3)


def test_a_model_that_serves_two_trillion_tokens():
    """Sardana et al. 2024: 13 B quality, 2 T tokens served: about 7.1 B parameters, about 16 % saved."""
    training = allocate(CHINCHILLA, budget_of_size(CHINCHILLA, 13e9))
    assert training.parameters == pytest.approx(13e9)
    serving = allocate_at_loss(CHINCHILLA, training.loss, 2e12)
    assert serving.parameters == pytest.approx(7.1e9, rel=0.01)
    assert serving.loss == pytest.approx(training.loss, rel=1e-9)
    alone = training.flops + 2 * 13e9 * 2e12
    assert 1 - serving.flops / alone == pytest.approx(0.16, abs=0.005)


def test_a_total_budget_is_the_other_side_of_the_same_question():
    served = allocate_at_loss(CHINCHILLA, 2.1, 1e12)
    within = allocate_within(CHINCHILLA, served.flops, 1e12)
    assert within.parameters == pytest.approx(served.parameters, rel=1e-4)
    assert within.loss == pytest.approx(2.1, rel=1e-9)
    assert within.flops == pytest.approx(served.flops, rel=1e-9)
    assert allocate_within(CHINCHILLA, 1e20, 0) == allocate(CHINCHILLA, 1e20)


def test_of_sizes_that_can_be_built_the_best_is_chosen():
    sizes = {"small": 1e7, "middle": 1e8, "large": 1e9}
    ideal = allocate(CHINCHILLA, budget_of_size(CHINCHILLA, 1e8))
    name, chosen = best_size(CHINCHILLA, sizes, ideal.flops)
    assert name == "middle"
    assert chosen.tokens == pytest.approx(ideal.tokens)
    # With little data to be had, what a larger model cannot learn it makes up by its size.
    assert best_size(CHINCHILLA, sizes, 1e30, most_tokens=1e9)[0] == "large"
    # What is served takes from the budget.
    assert best_size(CHINCHILLA, sizes, ideal.flops, inference_tokens=ideal.flops / 2e8)[0] == "small"


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: allocate(CHINCHILLA, 0), "flops must be"),
        (lambda: allocate(CHINCHILLA, math.nan), "flops must be"),
        (lambda: allocate_at_loss(CHINCHILLA, 1.5), "floor"),
        (lambda: allocate_at_loss(CHINCHILLA, 2, -1), "at least 0"),
        (lambda: allocate_within(CHINCHILLA, 1e20, -5), "inference_tokens"),
        (lambda: best_size(CHINCHILLA, {}, 1e20), "none given"),
        (lambda: best_size(CHINCHILLA, {"a": 1e9}, 1e12, inference_tokens=1e6), "no size"),
        (lambda: CHINCHILLA.tokens_for(1e3, 2.0), "never reaches"),
        (lambda: ScalingLaw(1, 1, 1, -0.1, 0.3), "above 0"),
        (lambda: ScalingLaw(1, math.inf, 1, 0.1, 0.3), "finite"),
        (lambda: ScalingLaw.from_json({"E": 1}), "needs the numbers"),
    ],
)
def test_impossible_questions_are_refused(call, problem):
    with pytest.raises(ConfigurationError, match=problem):
        call()


def test_a_law_broadcasts():
    losses = CHINCHILLA.loss(np.array([1e8, 1e9])[:, None], np.array([1e9, 1e10, 1e11]))
    assert losses.shape == (2, 3)
    assert (np.diff(losses, axis=0) < 0).all()
    assert (np.diff(losses, axis=1) < 0).all()


def test_the_smallest_size_that_is_good_enough():
    sizes = {"small": 1e6, "middle": 1e8, "large": 1e10}
    tokens = 1e9
    losses = {name: float(CHINCHILLA.loss(size, tokens)) for name, size in sizes.items()}
    gap = losses["middle"] / losses["large"] - 1
    assert smallest_size(CHINCHILLA, sizes, tokens, "large", 0.99 * gap)[0] == "large"
    name, chosen = smallest_size(CHINCHILLA, sizes, tokens, "large", 1.01 * gap)
    assert (name, chosen.tokens) == ("middle", tokens)
    assert chosen.loss == pytest.approx(losses["middle"])
    with pytest.raises(ConfigurationError, match="huge"):
        smallest_size(CHINCHILLA, sizes, tokens, "huge")
