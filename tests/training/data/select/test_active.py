"""The active learning loop on a problem in which asking well pays: a boundary that few examples lie near."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from gateway.errors import ConfigurationError
from training.data.select.active import Round, Simulation, labels_to_reach, simulate

SIZE = 600


def problem(seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(12)
    inputs, held_out = rng.standard_normal((SIZE, 12)), rng.standard_normal((1500, 12))
    labels, expected = (inputs @ weights > 0).astype(int), (held_out @ weights > 0).astype(int)

    def train(indices, number):
        chosen = list(indices)
        if len(set(labels[chosen])) < 2:
            return None
        return LogisticRegression(C=100, max_iter=500).fit(inputs[chosen], labels[chosen])

    def evaluate(model):
        return 0.5 if model is None else float(model.score(held_out, expected))

    def unsure(model, pool, number):
        return np.zeros(len(pool)) if model is None else -np.abs(model.decision_function(inputs[list(pool)]))

    def by_chance(model, pool, number):
        return np.random.default_rng([seed, number]).random(len(pool))

    return Simulation(SIZE, train, evaluate, unsure), Simulation(SIZE, train, evaluate, by_chance)


def test_asking_about_what_is_unsure_needs_fewer_labels_than_chance():
    asking, chance = [], []
    for seed in range(3):
        active, random = problem(seed)
        one = simulate(active, first=20, each=20, rounds=8, seed=seed)
        other = simulate(random, first=20, each=20, rounds=8, seed=seed)
        # Both begin with the same examples, so that they can be compared in pairs.
        assert one[0] == other[0]
        asking.append(one[-1].quality)
        chance.append(other[-1].quality)
    # Less than half of the errors that as many random labels leave.
    assert 1 - np.mean(asking) < 0.5 * (1 - np.mean(chance))


def test_no_example_is_labelled_twice_and_the_pool_may_run_dry():
    active, _ = problem()
    history = simulate(active, first=550, each=30, rounds=9)
    assert [item.labels for item in history] == [550, 580, 600]
    chosen = [index for item in history for index in item.chosen]
    assert sorted(chosen) == list(range(SIZE))


def test_a_start_may_be_given():
    active, _ = problem()
    assert simulate(active, first=1, each=5, rounds=0, start=[4, 9, 2])[0].chosen == (4, 9, 2)
    with pytest.raises(ConfigurationError, match="twice"):
        simulate(active, first=1, each=5, rounds=0, start=[4, 4])


def test_labels_until_a_quality_is_reached_for_good():
    history = [
        Round(labels, quality, ()) for labels, quality in ((10, 0.5), (20, 0.9), (30, 0.8), (40, 0.9), (50, 0.95))
    ]
    assert labels_to_reach(history, 0.85) == pytest.approx(35)
    assert labels_to_reach(history, 0.5) == 10
    assert labels_to_reach(history, 0.96) is None
    assert labels_to_reach([], 0.5) is None


@pytest.mark.parametrize("numbers", [{"first": 0}, {"first": SIZE + 1}, {"each": 0}, {"rounds": -1}])
def test_impossible_numbers_are_refused(numbers):
    active, _ = problem()
    with pytest.raises(ConfigurationError, match="active learning"):
        simulate(active, **{"first": 5, "each": 5, "rounds": 1, **numbers})


def test_scores_must_fit_the_pool():
    active, _ = problem()
    broken = Simulation(SIZE, active.train, active.evaluate, lambda model, pool, number: np.zeros(3))
    with pytest.raises(ConfigurationError, match="shape"):
        simulate(broken, first=20, each=5, rounds=1)
