"""How rate and batch go together."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from training.methods.batch_ramp.rates import AdamSettings, GrowthForDecay, scaled_adam, scaled_rate, warm_up


def quadratic(seed=0, examples=64, width=5):
    """Examples of ½ (x − c)ᵀ H (x − c): the gradient of a batch is H (x − mean of its c)."""
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(width, width, generator=generator, dtype=torch.float64)
    centres = torch.randn(examples, width, generator=generator, dtype=torch.float64)
    return factor @ factor.T, centres, torch.randn(width, generator=generator, dtype=torch.float64)


def step(point, hessian, centres, rate):
    return point - rate * hessian @ (point - centres.mean(0))


def test_two_steps_of_half_the_rate_are_one_step_on_twice_the_batch_to_second_order():
    """The difference is (η/2)² H·(gradient of the first half): it falls with the square of the rate."""
    hessian, centres, start = quadratic()
    differences = []
    for rate in (1e-2, 5e-3, 2.5e-3):
        twice = step(step(start, hessian, centres[:32], rate / 2), hessian, centres[32:], rate / 2)
        once = step(start, hessian, centres, rate)
        exact = (rate / 2) ** 2 * hessian @ (hessian @ (start - centres[:32].mean(0)))
        assert torch.allclose(twice - once, exact, atol=1e-12)
        differences.append(float((twice - once).norm()))
    assert differences[0] / differences[1] == pytest.approx(4, rel=1e-6)
    assert differences[1] / differences[2] == pytest.approx(4, rel=1e-6)


def test_the_rules():
    assert scaled_rate(0.1, 4, "linear") == pytest.approx(0.4)
    assert scaled_rate(0.1, 4, "sqrt") == pytest.approx(0.2)
    assert scaled_rate(0.1, 4, "none") == 0.1
    with pytest.raises(ConfigurationError, match="cube"):
        scaled_rate(0.1, 4, "cube")
    with pytest.raises(ConfigurationError, match="above 0"):
        scaled_rate(0.1, 0, "linear")


def test_adam_s_moments_are_scaled_with_its_rate():
    scaled = scaled_adam(AdamSettings(1e-3, 0.9, 0.999, 1e-8), 4)
    assert (scaled.rate, scaled.beta1, scaled.beta2) == pytest.approx((2e-3, 0.6, 0.996))
    assert scaled.epsilon == pytest.approx(5e-9)
    with pytest.raises(ConfigurationError, match="cannot be scaled"):
        scaled_adam(AdamSettings(1e-3, 0.9, 0.999, 1e-8), 11)


def test_warm_up_goes_from_the_unscaled_to_the_scaled_rate():
    assert [warm_up(share, 0.2, 8) for share in (0, 0.1, 0.2, 0.9)] == [1, 4.5, 8, 8]
    assert warm_up(0, 0, 8) == 8


@pytest.mark.parametrize(
    ("optimizer", "decay", "batch", "rate"),
    [
        # SGD: the batch is divided by a, the rate stays.
        ("sgd", 0.5, 2, 1.0),
        ("sgd", 0.25, 4, 1.0),
        # AdamW: the batch is divided by a, the rate multiplied by √a.
        ("adamw", 0.5, 2, math.sqrt(0.5)),
        ("adamw", 0.25, 4, 0.5),
        # Between two powers the rate does the rest.
        ("sgd", 0.6, 1, 0.6),
        ("adamw", 0.3, 2, 0.3 * math.sqrt(2)),
        # The batch has its limit.
        ("sgd", 1 / 64, 8, 1 / 8),
        ("adamw", 0.0, 8, 0.0),
    ],
)
def test_growth_in_place_of_decay(optimizer, decay, batch, rate):
    growth = GrowthForDecay(optimizer, 2, 8)
    assert growth.batch(decay) == batch
    assert growth.rate(decay) == pytest.approx(rate)


@given(st.sampled_from(["sgd", "adamw"]), st.floats(1.1, 10), st.integers(1, 1000), st.floats(1e-9, 1))
def test_the_noise_of_a_step_follows_the_schedule_at_every_moment(optimizer, factor, most, decay):
    growth = GrowthForDecay(optimizer, factor, most)
    batch = growth.batch(decay)
    assert 1 <= batch <= most
    assert growth.rate(decay) / (batch if optimizer == "sgd" else math.sqrt(batch)) == pytest.approx(decay)
    assert growth.batch(decay / 2) >= batch


@pytest.mark.parametrize(
    "options", [{"optimizer": "lbfgs"}, {"optimizer": "sgd", "factor": 1.0}, {"optimizer": "sgd", "most": 0}]
)
def test_impossible_growth_is_refused(options):
    with pytest.raises(ConfigurationError):
        GrowthForDecay(**options)
