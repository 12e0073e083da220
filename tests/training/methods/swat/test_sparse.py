"""Unstructured sparse weight activation training: its arithmetic, and what a training with it keeps and restores."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from gateway.errors import ConfigurationError
from training.methods.swat.distribution import erdos_renyi_kernel, momentum, uniform
from training.methods.swat.sparse import (
    apply_swat,
    redistribute,
    remove_swat,
    restore_thresholds,
    sparse_layers,
    thresholds,
)
from training.methods.swat.topk import kept_count, masked, pack, threshold, unpack

BLOCK = {**dict.fromkeys("qkvo", (16, 16)), "up": (64, 16), "down": (16, 64)}


def sparse(layer, keep, **options):
    apply_swat(nn.Sequential(layer), keep, skip="", **options)
    return layer


def run(layer, inputs, gradient):
    inputs = inputs.clone().requires_grad_()
    output = layer(inputs)
    output.backward(gradient)
    bias = None if layer.bias is None else layer.bias.grad
    return output.detach(), inputs.grad, layer.weight.grad, bias


@pytest.mark.parametrize("packed", [False, True])
def test_the_worked_example(packed):
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.data = torch.tensor([[3, -1, 2], [-4, 0.5, 1]])
    inputs, gradient = torch.tensor([[1, -2, 0.5], [0.1, 3, -1]]), torch.tensor([[1, 2], [-1, 0.5]])
    output, for_inputs, for_weight, _ = run(sparse(layer, 0.5, packed=packed), inputs, gradient)
    assert torch.allclose(output, torch.tensor([[4, -4], [-1.7, -0.4]]))
    assert torch.allclose(for_inputs, torch.tensor([[-5.0, 0, 2], [-5, 0, -2]]))
    # |1| and |−1| tie for the third place of the activations: both stay.
    assert torch.allclose(for_weight, torch.tensor([[1, -5, 1], [2, -2.5, -0.5]]))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (9, 33, 48)])
def test_with_everything_kept_a_linear_layer_is_torch_s_to_the_bit(shape, bias):
    torch.manual_seed(0)
    dense = nn.Linear(shape[-1], 11, bias=bias)
    layer = nn.Linear(shape[-1], 11, bias=bias)
    layer.load_state_dict(dense.state_dict())
    inputs, gradient = torch.randn(shape), torch.randn(*shape[:-1], 11)
    for ours, theirs in zip(run(sparse(layer, 1.0), inputs, gradient), run(dense, inputs, gradient), strict=True):
        assert (ours is None and theirs is None) or torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1}, {"groups": 2, "padding": (0, 1)}, {"dilation": 2}]
)
def test_with_everything_kept_a_convolution_is_torch_s(options):
    torch.manual_seed(0)
    dense = nn.Conv2d(4, 6, 3, **options)
    layer = nn.Conv2d(4, 6, 3, **options)
    layer.load_state_dict(dense.state_dict())
    inputs = torch.randn(2, 4, 9, 8)
    gradient = torch.randn_like(dense(inputs))
    for ours, theirs in zip(run(sparse(layer, 1.0), inputs, gradient), run(dense, inputs, gradient), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("packed", [False, True])
def test_a_convolution_uses_the_largest_weights_and_activations(packed):
    torch.manual_seed(0)
    layer = sparse(nn.Conv2d(3, 4, 3, padding=1), 0.3, keep_activations=0.2, packed=packed)
    inputs, gradient = torch.randn(2, 3, 6, 6), torch.randn(2, 4, 6, 6)
    weight = masked(layer.weight.detach(), threshold(layer.weight, 0.3))
    assert int((weight != 0).sum()) == math.ceil(0.3 * weight.numel())
    output, for_inputs, for_weight, for_bias = run(layer, inputs, gradient)

    reference, used = inputs.clone().requires_grad_(), weight.clone().requires_grad_()
    functional.conv2d(reference, used, layer.bias.detach(), padding=1).backward(gradient)
    assert torch.allclose(output, functional.conv2d(inputs, weight, layer.bias, padding=1))
    assert torch.allclose(for_inputs, reference.grad, atol=1e-6)
    used.grad = None
    functional.conv2d(masked(inputs, threshold(inputs, 0.2)), used, padding=1).backward(gradient)
    assert torch.allclose(for_weight, used.grad, atol=1e-5)
    assert torch.allclose(for_bias, gradient.sum((0, 2, 3)), atol=1e-5)


@given(st.integers(1, 400), st.sampled_from([0.05, 0.07, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0]), st.integers(0, 99))
def test_top_k_keeps_the_ceiling_of_its_share_and_the_largest(size, keep, seed):
    values = torch.from_numpy(np.random.default_rng(seed).standard_normal(size))
    left = masked(values, threshold(values, keep))
    # The smallest k with k ≥ keep · size, in whole hundredths.
    k = max(1, -(-round(100 * keep) * size // 100))
    assert kept_count(keep, size) == k
    assert int((left != 0).sum()) == k
    dropped = values[left == 0].abs()
    assert not len(dropped) or left[left != 0].abs().min() > dropped.max()


def test_ties_stay():
    values = torch.tensor([2.0, -1.0, 1.0, 1.0, 0.5])
    assert masked(values, threshold(values, 0.4)).tolist() == [2.0, -1.0, 1.0, 1.0, 0.0]


@given(st.integers(0, 70), st.floats(0, 1), st.integers(0, 99))
def test_packing_loses_nothing(size, share, seed):
    rng = np.random.default_rng(seed)
    values = torch.from_numpy(rng.standard_normal((size, 3)).astype(np.float32) * (rng.random((size, 3)) < share))
    packed = pack(values)
    assert torch.equal(unpack(packed, values.shape), values)
    assert packed.nbytes == 4 * int((values != 0).sum()) + math.ceil(3 * size / 8)


@pytest.mark.parametrize(("keep", "attention", "feed_forward"), [(0.2, 4 / 15, 1 / 6), (0.5, 2 / 3, 5 / 12)])
def test_erdos_renyi_shares_of_a_transformer_block(keep, attention, feed_forward):
    shares = erdos_renyi_kernel(BLOCK, keep)
    assert [shares[name] for name in "qkvo"] == pytest.approx([attention] * 4)
    assert [shares["up"], shares["down"]] == pytest.approx([feed_forward] * 2)


def test_erdos_renyi_counts_a_convolution_s_kernel():
    shapes = {"wide": (32, 16, 3, 3), "point": (32, 16, 1, 1)}
    shares = erdos_renyi_kernel(shapes, 0.05)
    assert shares["wide"] / shares["point"] == pytest.approx((54 / (512 * 9)) / (50 / 512))


SHAPES = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.tuples(*[st.integers(1, 40)] * 2), min_size=1)


@given(SHAPES, st.floats(0.01, 1), st.data())
def test_every_division_keeps_the_share_in_all_and_no_layer_more_than_it_has(shapes, keep, data):
    magnitudes = {name: data.draw(st.floats(0, 10)) for name in shapes}
    total = sum(a * b for a, b in shapes.values())
    for shares in (uniform(shapes, keep), erdos_renyi_kernel(shapes, keep), momentum(shapes, keep, magnitudes)):
        assert all(0 < share <= 1 + 1e-9 for share in shares.values())
        assert sum(shares[name] * a * b for name, (a, b) in shapes.items()) == pytest.approx(keep * total)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def updates(model, optimizer, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        inputs, labels = torch.randn(32, 6, generator=generator), torch.randint(3, (32,), generator=generator)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


@pytest.mark.parametrize("name", ["exp_avg", "momentum_buffer"])
def test_layers_that_move_get_more(name):
    model = network()
    apply_swat(model, 0.4)
    optimizer = (
        torch.optim.AdamW(model.parameters(), 1e-3)
        if name == "exp_avg"
        else torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    )
    assert set(redistribute(model, 0.4, optimizer).values()) == {0.4}
    updates(model, optimizer, 2)
    optimizer.state[model[2].weight][name] *= 100
    shares = redistribute(model, 0.4, optimizer)
    assert shares["2"] > shares["0"]
    assert shares["2"] > shares["4"]
    assert sparse_layers(model)["2"].keep == shares["2"]
    used = sum(share * model.get_submodule(key).weight.numel() for key, share in shares.items())
    assert used == pytest.approx(0.4 * sum(model[index].weight.numel() for index in (0, 2, 4)))


def test_momentum_is_needed_to_go_by_momentum():
    model = network()
    apply_swat(model, 0.4)
    optimizer = torch.optim.Adagrad(model.parameters(), 1e-3)
    with pytest.raises(ConfigurationError, match="needs an optimizer with momentum"):
        redistribute(model, 0.4, optimizer)


def test_thresholds_are_refreshed_each_period():
    layer = sparse(nn.Linear(50, 10), 0.3, period=3)
    seen = []
    for _ in range(7):
        layer(torch.randn(4, 50)).sum().backward()
        seen.append(float(layer.least_weight))
        layer.weight.data *= 0.9
    assert seen[0] == seen[1] == seen[2] > seen[3] == seen[5] > seen[6]
    # Looking at the model does not make it older.
    age = layer.age
    layer.eval()(torch.randn(4, 50))
    with torch.no_grad():
        layer.train()(torch.randn(4, 50))
    assert layer.age == age


def test_weights_left_out_learn_and_come_back():
    layer = sparse(nn.Linear(4, 1, bias=False), 0.25)
    layer.weight.data = torch.tensor([[1.0, 0.9, 0.1, 0.1]])
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(30):
        optimizer.zero_grad()
        inputs = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
        (layer(inputs) - 3).square().sum().backward()
        optimizer.step()
    assert (layer.sparse_weight() != 0).tolist() == [[False, True, False, False]]
    assert float(layer.weight.detach()[0, 1]) == pytest.approx(3, abs=0.01)


def test_in_bfloat16_autocast_master_weights_stay_float():
    layer = sparse(nn.Linear(32, 8), 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(torch.randn(4, 32))
    output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert layer.weight.grad.dtype == layer.bias.grad.dtype == torch.float32
    assert layer.weight.grad.abs().sum() > 0


def test_a_training_stopped_and_restored_ends_as_one_that_was_not():
    straight = network()
    apply_swat(straight, 0.4, period=4)
    one = torch.optim.SGD(straight.parameters(), 0.1)
    updates(straight, one, 6)
    kept, weights = thresholds(straight), {name: item.clone() for name, item in straight.state_dict().items()}
    updates(straight, one, 6, seed=1)

    other = network()
    apply_swat(other, 0.4, period=4)
    other.load_state_dict(weights)
    restore_thresholds(other, kept)
    updates(other, torch.optim.SGD(other.parameters(), 0.1), 6, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), other.parameters(), strict=True))


def test_removing_leaves_torch_s_layers_with_the_weights_in_use():
    model = network()
    parameters = list(model.parameters())
    assert apply_swat(model, 0.3, skip="^4$") == ["0", "2"]
    inputs = torch.randn(5, 6)
    expected = model.eval()(inputs)
    remove_swat(model)
    assert type(model[0]) is nn.Linear
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert int((model[0].weight != 0).sum()) == math.ceil(0.3 * 48)
    assert int((model[4].weight != 0).sum()) == 24
    assert torch.allclose(model(inputs), expected)


@pytest.mark.parametrize(
    ("model", "options", "problem"),
    [
        (nn.Sequential(nn.ReLU()), {"keep": 0.5}, "no linear layer"),
        (network(), {"keep": 0.0}, "above 0"),
        (network(), {"keep": 0.5, "period": 0}, "period"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")), {"keep": 0.5}, "padding"),
    ],
)
def test_what_cannot_be_made_sparse_is_refused(model, options, problem):
    with pytest.raises(ConfigurationError, match=problem):
        apply_swat(model, **options)
