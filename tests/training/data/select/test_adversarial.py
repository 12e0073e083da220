"""The adversarial margin, where the distance from the boundary is known."""

import numpy as np
import pytest
import torch
from torch import nn

from gateway.errors import ConfigurationError
from training.data.select.adversarial import adversarial_margin


def test_of_a_linear_model_it_is_the_distance_from_the_nearest_boundary():
    torch.manual_seed(0)
    model, points = nn.Linear(6, 4).double(), torch.randn(50, 6).double()
    model.requires_grad_(False)
    logits = model(points).detach()
    expected = []
    for point in range(50):
        mine = int(logits[point].argmax())
        others = [other for other in range(4) if other != mine]
        expected.append(
            min(
                float((logits[point, mine] - logits[point, other]) / (model.weight[mine] - model.weight[other]).norm())
                for other in others
            )
        )
    assert adversarial_margin(model, points) == pytest.approx(np.array(expected), rel=2e-3)


def test_a_step_of_that_length_changes_the_answer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 3)).double()
    points = torch.randn(40, 2).double()
    margins = adversarial_margin(model, points, steps=30)
    directions = torch.stack(
        [torch.cos(torch.arange(360) * np.pi / 180), torch.sin(torch.arange(360) * np.pi / 180)], 1
    )
    for point, margin in zip(points, margins, strict=True):
        mine = model(point).argmax()
        if margin < 3:
            around = model(point + 1.03 * margin * directions.double()).argmax(1)
            assert (around != mine).any()
    # What lies nearer to a boundary has the smaller margin: a hundredth of it changes nothing.
    safe = model(points + 0.01 * torch.from_numpy(margins)[:, None] * torch.tensor([1.0, 0.0])).argmax(1)
    assert torch.equal(safe, model(points).argmax(1))


def test_the_sphere():
    """|x|² against 1: from radius r the boundary is |r − 1| away; the gradient leads there."""

    def logits_of(points):
        squared = points.square().flatten(1).sum(1)
        return torch.stack([squared, torch.ones_like(squared)], 1)

    points = torch.tensor([[[2.0, 0.0], [0.0, 0.0]], [[0.3, 0.0], [0.0, 0.4]]])
    assert adversarial_margin(logits_of, points, steps=20) == pytest.approx([1.0, 0.5], rel=2e-3)
    assert points[0, 0, 0] == 2.0


@pytest.mark.parametrize("options", [{"steps": 0}, {"classes": 0}])
def test_wrong_use(options):
    with pytest.raises(ConfigurationError, match="at least 1"):
        adversarial_margin(nn.Linear(2, 2), torch.randn(3, 2), **options)
    with pytest.raises(ConfigurationError, match="2 or more classes"):
        adversarial_margin(nn.Linear(2, 1), torch.randn(3, 2))
