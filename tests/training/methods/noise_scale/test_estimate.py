"""The gradient noise scale on gradients whose noise is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from training.methods.noise_scale.estimate import Moments, NoiseScale, moments

WIDTH = 50


def gradients(rng, examples, truth, trace):
    """Mean gradients of micro-batches, drawn directly: N(truth, trace / width / examples)."""
    return [truth + rng.standard_normal(WIDTH) * np.sqrt(trace / WIDTH / size) for size in examples]


def measured(examples, updates, trace=500.0, decay=1.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.zeros(WIDTH)
    truth[:4] = 0.5  # |G|² = 1
    scale, found = NoiseScale(decay), []
    for _ in range(updates):
        parts = gradients(rng, examples, truth, trace)
        squares = [float(part @ part) for part in parts]
        mean = np.mean(parts, axis=0)
        found.append(moments(squares, examples, float(mean @ mean)))
        scale.add(found[-1])
    return scale, found


@pytest.mark.parametrize("examples", [[32] * 8, [256, 256], [16, 64, 8, 40]])
def test_gaussian_gradients_with_a_noise_scale_of_500(examples):
    scale, _ = measured(examples, 4000)
    assert scale.averages.gradient_squared == pytest.approx(1, rel=0.06)
    assert scale.averages.trace == pytest.approx(500, rel=0.02)
    assert scale.value == pytest.approx(500, rel=0.06)


def test_the_ratio_of_averages_is_right_where_the_average_of_ratios_is_not():
    scale, found = measured([8] * 4, 4000)
    assert scale.value == pytest.approx(500, rel=0.25)
    ratios = [one.trace / one.gradient_squared for one in found]
    assert abs(np.mean(ratios) - 500) > 250


def test_all_micro_batches_make_the_estimate_surer_than_the_first_alone():
    rng = np.random.default_rng(1)
    truth = np.full(WIDTH, WIDTH**-0.5)
    all_of_them, first = [], []
    for _ in range(400):
        parts = gradients(rng, [8] * 16, truth, 500.0)
        mean = np.mean(parts, axis=0)
        squares = [float(part @ part) for part in parts]
        all_of_them.append(moments(squares, [8] * 16, float(mean @ mean)).trace)
        first.append(moments([squares[0]] * 16, [8] * 16, float(mean @ mean)).trace)
    assert np.std(all_of_them) < 0.5 * np.std(first)
    assert np.mean(all_of_them) == pytest.approx(500, rel=0.03)


@given(st.lists(st.integers(1, 500), min_size=2, max_size=6), st.floats(0.01, 10), st.floats(0.01, 1e4))
def test_expected_norms_give_back_what_they_were_made_of(examples, squared, trace):
    norms = [squared + trace / size for size in examples]
    mean = squared + trace * sum(1 / size for size in examples) / len(examples) ** 2
    found = moments(norms, examples, mean)
    assert found.trace == pytest.approx(trace, rel=1e-6, abs=1e-6 * max(norms) * max(examples))
    assert found.gradient_squared == pytest.approx(squared, rel=1e-6, abs=1e-6 * max(norms))


def test_what_it_suggests_and_what_that_costs():
    scale = NoiseScale()
    assert scale.value is scale.suggested(8) is scale.costs(8) is None
    scale.add(Moments(1.0, 500.0))
    assert scale.suggested(60) == 8
    assert scale.suggested(60, most=4) == 4
    assert scale.suggested(10_000) == 1
    assert scale.costs(500) == (2, 2)
    assert scale.costs(50) == pytest.approx((11, 1.1))


def test_averages_too_noisy_to_be_positive_give_no_number():
    scale = NoiseScale()
    scale.add(Moments(-0.1, 500.0))
    assert scale.value is None
    scale.add(Moments(1.1, 500.0))
    assert scale.value == pytest.approx(500 / ((1.1 - 0.1 * 0.99) / 1.99))


def test_it_goes_on_from_a_kept_state():
    straight, found = measured([4, 4], 20, decay=0.9)
    first, again = NoiseScale(0.9), NoiseScale(0.9)
    for one in found[:11]:
        first.add(one)
    again.load_state_dict(first.state_dict())
    for one in found[11:]:
        again.add(one)
    assert again.averages == straight.averages


@pytest.mark.parametrize(
    "call",
    [lambda: moments([1.0], [4], 1.0), lambda: moments([1.0, 2.0], [4, 0], 1.0), lambda: NoiseScale(1.5)],
)
def test_what_cannot_be_estimated_is_refused(call):
    with pytest.raises(ConfigurationError, match="noise scale"):
        call()


@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(0.05, 1)), min_size=2, max_size=6),
    st.floats(0.01, 10),
    st.floats(0.01, 1e4),
)
def test_so_they_do_where_micro_batches_count_by_their_tokens(batches, squared, trace):
    whole = sum(weight for _, weight in batches)
    examples, shares = [size for size, _ in batches], [weight / whole for _, weight in batches]
    norms = [squared + trace / size for size in examples]
    mean = squared + trace * sum(share**2 / size for size, share in zip(examples, shares, strict=True))
    found = moments(norms, examples, mean, shares)
    assert found.trace == pytest.approx(trace, rel=1e-6, abs=1e-5 * max(norms) * max(examples))
    assert found.gradient_squared == pytest.approx(squared, rel=1e-6, abs=1e-5 * max(norms))


def test_a_micro_batch_without_a_share_is_refused():
    with pytest.raises(ConfigurationError, match="each with a share"):
        moments([1.0, 2.0], [4, 4], 1.0, [1.0, 0.0])
