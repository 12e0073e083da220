"""Agreement with a second implementation of Learn-then-Test: MAPIE's risk control, on the same answers."""

import itertools
import random

import pytest

from gateway.evaluation.bounds import binomial_tail, hoeffding_bentkus
from training.calibrate.thresholds import choose
from training.calibrate.trials import GRID, Stage, Trial, count

mapie = pytest.importorskip("mapie.risk_control", reason="MAPIE (extra dev) is not installed")
methods = pytest.importorskip("mapie.risk_control.methods", reason="MAPIE (extra dev) is not installed")
np = pytest.importorskip("numpy")

DELTA = 0.05


def answers(seed, size, honesty):
    """Stated probabilities, and whether the answers are right: with their probability to the power of ``honesty``."""
    rng = random.Random(seed)
    stated = [rng.betavariate(5, 1) for _ in range(size)]
    return stated, [rng.random() < probability**honesty for probability in stated]


def by_mapie(stated, right, target, sequence):
    """The thresholds that MAPIE certifies for the precision ``target``, tested in this order."""
    controller = mapie.BinaryClassificationController(
        predict_function=lambda x: np.stack([1 - x[:, 0], x[:, 0]], axis=1),
        risk="precision",
        target_level=target,
        confidence_level=1 - DELTA,
        list_predict_params=np.array(sequence),
        fwer_method="fixed_sequence",
    )
    controller.calibrate(np.array(stated)[:, None], np.array(right, dtype=int))
    return [float(value) for value in controller.valid_predict_params], controller.p_values.ravel()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("honesty", [0.3, 1.0])
def test_the_same_thresholds_are_certified(seed, target, honesty):
    stated, right = answers(seed, 600, honesty)
    found = [Trial((Stage(p, r),)) for p, r in zip(stated, right, strict=True)]
    chosen = choose(found, found, target, DELTA)
    start = next((index for index, value in enumerate(GRID) if count(found, value).present >= 100), 0)
    sequence = GRID[start:]
    valid, p_values = by_mapie(stated, right, target, sequence)
    # For losses of 0 and 1 its p-values are exact binomial ones, as ours are; where its mean loss is a rounding error
    # above a whole number of errors it may count one error more.
    same = 0
    for value, p_value in zip(sequence, p_values, strict=True):
        seen = count(found, value)
        exact, rounded = (binomial_tail(seen.present_errors + more, seen.present, 1 - target) for more in (0, 1))
        assert exact * (1 - 1e-6) - 1e-15 <= p_value <= rounded * (1 + 1e-6)
        same += p_value == pytest.approx(exact, rel=1e-6, abs=1e-15)
    assert same > 0
    # Both go on until the first threshold that fails, and the exact test fails no earlier.
    passed = list(itertools.takewhile(lambda value: exact_p_value(found, value, 1 - target) <= DELTA, sequence))
    assert valid == pytest.approx(passed[: len(valid)])
    # Where the choice begins elsewhere in the same sequence it ends at the same failure, or at one before.
    if passed and chosen.certified and chosen.value in sequence:
        assert chosen.value >= passed[-1] or chosen.value < sequence[len(passed)]


def exact_p_value(found, value, risk):
    seen = count(found, value)
    return binomial_tail(seen.present_errors, seen.present, risk)


@pytest.mark.parametrize(
    ("mean", "number", "alpha"), [(0.05, 1000, 0.1), (0.08, 1000, 0.1), (0.01, 500, 0.02), (0.0, 59, 0.05)]
)
def test_the_same_bound_for_losses_between_0_and_1(mean, number, alpha):
    other = methods.compute_hoeffding_bentkus_p_value(np.array([mean]), number, alpha)
    assert hoeffding_bentkus(mean, number, alpha) == pytest.approx(float(other[0, 0]), rel=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_neither_certifies_what_is_not_there():
    stated, right = answers(9, 600, 3.0)
    found = [Trial((Stage(p, r),)) for p, r in zip(stated, right, strict=True)]
    assert not choose(found, found, 0.97, DELTA).certified
    assert by_mapie(stated, right, 0.97, GRID[10:])[0] == []
