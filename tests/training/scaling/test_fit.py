"""The fit of the scaling law: on the published points, and on points made by a known law."""

import math

import numpy as np
import pytest

from gateway.errors import ConfigurationError
from training.scaling.fit import fit, objective_of
from training.scaling.law import CHINCHILLA, ScalingLaw
from training.scaling.points import Points, read_points

TRUE = ScalingLaw(E=0.4, A=30.0, B=90.0, alpha=0.4, beta=0.5)


def made(noise=0.0, seed=0):
    """A grid of 6 sizes by 5 amounts of data, with log-normal scatter."""
    sizes, tokens = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e4, 1e7, 6), np.geomspace(1e4, 1e8, 5)))
    scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(sizes.size))
    return Points(sizes, tokens, TRUE.loss(sizes, tokens) * scatter)


@pytest.fixture(scope="module")
def published(shared_data):
    return read_points(shared_data / "chinchilla" / "svg_extracted_data.csv")


@pytest.fixture(scope="module")
def published_fit(published):
    return fit(published.without_worst(5), starts=24)


def test_the_published_points_give_the_replication_s_constants(published_fit):
    """Besiroglu et al. 2024: 240 points, A 482.01, B 2085.43, E 1.8172, α .3478, β .3658; the exact optimum here."""
    assert published_fit.points == 240
    assert published_fit.objective == pytest.approx(1.01827e-3, abs=5e-9)
    law = published_fit.law
    assert pytest.approx(477.8, abs=0.1) == law.A
    assert pytest.approx(2143, abs=1) == law.B
    assert pytest.approx(1.8172, abs=5e-5) == law.E
    assert law.alpha == pytest.approx(0.3473, abs=5e-5)
    assert law.beta == pytest.approx(0.3672, abs=5e-5)


def test_the_published_constants_are_not_the_optimum_of_the_published_points(published, published_fit):
    points = published.without_worst(5)
    assert objective_of(published_fit.law, points) == pytest.approx(published_fit.objective, rel=1e-6)
    assert objective_of(CHINCHILLA, points) > 1.2 * published_fit.objective


def test_the_five_outliers_change_the_data_exponent(published):
    assert len(published) == 245
    assert fit(published, starts=24).law.beta == pytest.approx(0.453, abs=5e-4)


def test_a_known_law_is_found_again():
    found = fit(made(), starts=16)
    assert found.objective < 1e-12
    for name in ("E", "A", "B", "alpha", "beta"):
        assert getattr(found.law, name) == pytest.approx(getattr(TRUE, name), rel=1e-3)


def test_a_few_wild_points_hardly_move_the_fit():
    points = made(noise=0.002)
    loss = points.loss.copy()
    loss[[3, 17]] *= 3
    wild = fit(Points(points.parameters, points.tokens, loss), starts=16).law
    clean = fit(points, starts=16).law
    assert wild.alpha == pytest.approx(clean.alpha, abs=0.03)
    assert wild.beta == pytest.approx(clean.beta, abs=0.03)


def test_intervals_hold_the_truth_and_are_repeated_by_the_seed():
    points = made(noise=0.01)
    found = fit(points, starts=16, bootstrap=15, seed=3)
    assert len(found.bootstrap) + found.failed == 15
    for name in ("alpha", "beta", "E"):
        low, high = found.interval(name)
        assert low < getattr(TRUE, name) < high
        assert low < getattr(found.law, name) < high
        narrow = found.interval(name, 0.5)
        assert low <= narrow[0] < narrow[1] <= high
    low, high = found.predicted(3e7, 3e8)
    assert low < float(TRUE.loss(3e7, 3e8)) < high
    assert high - low < 0.1
    assert fit(points, starts=16, bootstrap=15, seed=3).bootstrap == found.bootstrap
    assert fit(points, starts=16, bootstrap=15, seed=4).bootstrap != found.bootstrap


def test_without_bootstrap_there_are_no_intervals():
    with pytest.raises(ConfigurationError, match="without bootstrap"):
        fit(made(), starts=10).interval("alpha")


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        (made().take(np.arange(5)), "at least 6 points"),
        (made().take(np.arange(6)), "6 and 1"),
        (Points(made().parameters, made().tokens, 1 / made().loss), "loss does not fall"),
    ],
)
def test_points_that_cannot_tell_are_refused(points, problem):
    with pytest.raises(ConfigurationError, match=problem):
        fit(points, starts=10)


def test_the_unrounded_constants_are_used():
    assert pytest.approx([math.log(CHINCHILLA.A), math.log(CHINCHILLA.B)]) == [6.0073404, 6.0179186]


def test_points_of_a_group_are_drawn_together():
    points = made(0.02)
    alone = fit(points, starts=4, bootstrap=3)
    assert fit(points, starts=4, bootstrap=3, groups=list(range(len(points)))).bootstrap == alone.bootstrap
    # One group: every resample is the whole set.
    (whole,) = {law.alpha for law in fit(points, starts=4, bootstrap=3, groups=["one"] * len(points)).bootstrap}
    assert whole == pytest.approx(alone.law.alpha, rel=1e-3)
    with pytest.raises(ConfigurationError, match="as many groups"):
        fit(points, starts=4, bootstrap=1, groups=["one"])
