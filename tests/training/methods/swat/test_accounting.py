"""Operations and saved bytes of a training step, on layers that can be counted by hand."""

import pytest
import torch
from torch import nn

from training.methods.swat.accounting import count_saved, step_cost
from training.methods.swat.groups import ChannelGroup
from training.methods.swat.sparse import apply_swat
from training.methods.swat.structured import StructuredSwat


def test_operations_of_a_dense_and_a_sparse_step():
    model, inputs = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5)), torch.randn(3, 7, 10)
    # Three products (forward, inputs' gradient, weights' gradient) of 2 · rows · in · out operations.
    dense = 3 * 2 * 21 * (10 * 20 + 20 * 5)
    cost = step_cost(model, lambda: model(inputs))
    assert (cost.dense, cost.sparse, cost.share) == (dense, dense, 1.0)
    apply_swat(model, 0.5, keep_activations=0.2, skip="")
    cost = step_cost(model, lambda: model(inputs))
    assert cost.dense == dense
    assert cost.share == pytest.approx((2 * 0.5 + 0.2) / 3)


def test_operations_of_a_convolution():
    model, inputs = nn.Conv2d(4, 6, 3, padding=1, groups=2), torch.randn(2, 4, 8, 8)
    cost = step_cost(nn.Sequential(model), lambda: model(inputs))
    assert cost.dense == 3 * 2 * (2 * 6 * 8 * 8) * (2 * 3 * 3)


def saved(model, inputs):
    with count_saved(model) as found:
        loss = model(inputs).sum()
    loss.backward()
    return found.total


def test_saved_bytes():
    torch.manual_seed(0)
    inputs = torch.randn(64, 32)
    model = nn.Linear(32, 16)
    # The inputs; the weight is a parameter and there anyway.
    assert saved(model, inputs) == inputs.nbytes
    apply_swat(nn.Sequential(model), 0.25, packed=True, skip="")
    # A quarter of the values, and a bit for every position.
    assert saved(model, inputs) == inputs.nbytes // 4 + inputs.numel() // 8


def test_fewer_channels_save_bytes_without_packing():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 16))
    inputs = torch.randn(32, 16)
    before = saved(model, inputs)
    swat = StructuredSwat([ChannelGroup("channels", [model[0]], model[2])], 0.25, period=0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model.zero_grad()
    swat.start(optimizer)
    swat.before_update()
    model(inputs).sum().backward()
    swat.after_backward()
    swat.before_step()
    optimizer.step()
    swat.after_step()
    # Inputs stay, the hidden values become a quarter.
    assert before == inputs.nbytes + 4 * inputs.nbytes
    assert saved(model, inputs) == inputs.nbytes + inputs.nbytes
