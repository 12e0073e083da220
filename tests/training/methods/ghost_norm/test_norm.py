"""Ghost batch normalisation beside torch's own."""

import copy
import logging
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from gateway.errors import ConfigurationError
from training.methods.ghost_norm.norm import GhostBatchNorm2d, apply_ghost_norm, remove_ghost_norm

SHAPES = {
    nn.BatchNorm1d: [(12, 5), (12, 5, 7)],
    nn.BatchNorm2d: [(12, 5, 4, 3)],
    nn.BatchNorm3d: [(12, 5, 2, 3, 2)],
}
CASES = [(kind, shape) for kind, shapes in SHAPES.items() for shape in shapes]


def ghostly(norm, ghost):
    model = nn.Sequential(norm)
    assert apply_ghost_norm(model, ghost) == 1
    return model[0]


def test_the_running_mean_moves_by_the_momentum_once_a_batch():
    norm = ghostly(nn.BatchNorm1d(1, momentum=0.1), 2)
    # Four ghosts of two examples, the mean of each is 1.
    norm(torch.tensor([[0.0], [2.0]] * 4))
    assert norm.running_mean.item() == pytest.approx(0.09631, abs=1e-5)
    assert norm.running_mean.item() == pytest.approx(1 - (1 - 0.1 / 4) ** 4)
    # The full momentum four times would have moved it more than three times as far.
    assert pytest.approx(0.3439) == 1 - 0.9**4
    assert norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_one_ghost_is_batch_normalisation(kind, shape):
    torch.manual_seed(0)
    plain = kind(5)
    nn.init.normal_(plain.weight)
    norm = ghostly(copy.deepcopy(plain), 12)
    for _ in range(3):
        values = torch.randn(shape)
        one, other = values.clone().requires_grad_(), values.clone().requires_grad_()
        assert torch.equal(norm(one), plain(other))
        norm(one).square().sum().backward()
        plain(other).square().sum().backward()
        assert torch.equal(one.grad, other.grad)
    for name, value in plain.state_dict().items():
        assert torch.equal(norm.state_dict()[name], value)
    assert torch.equal(norm.eval()(values), plain.eval()(values))


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_every_ghost_is_normalised_by_itself(kind, shape):
    torch.manual_seed(0)
    plain = kind(5)
    norm = ghostly(copy.deepcopy(plain), 4)
    values = torch.randn(shape) + torch.arange(12.0).view(-1, *[1] * (len(shape) - 1))
    expected = torch.cat([copy.deepcopy(plain)(part) for part in values.split(4)])
    assert torch.allclose(norm(values), expected)
    assert not torch.allclose(plain(values), expected, atol=0.1)
    # In evaluation the running statistics count, for all alike.
    fresh = kind(5)
    fresh.load_state_dict(norm.state_dict())
    assert torch.equal(norm.eval()(values), fresh.eval()(values))


def test_batches_that_do_not_divide_evenly():
    norm = ghostly(nn.BatchNorm1d(3), 4)
    for size in (9, 5, 2):
        values = torch.randn(size, 3)
        parts = -(-size // 4)
        expected = torch.cat([nn.BatchNorm1d(3)(part) for part in values.tensor_split(parts)])
        assert torch.allclose(norm(values), expected)
    # Ghosts of two would leave one example alone, which has no variance: there are fewer, larger ones.
    assert torch.isfinite(ghostly(nn.BatchNorm1d(3), 2)(torch.randn(7, 3))).all()


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.Flatten()
    )


def test_it_is_exported_as_ordinary_batch_normalisation_and_folds_away(tmp_path):
    model = convolutions()
    apply_ghost_norm(model, 4)
    for _ in range(5):
        model(3 * torch.randn(16, 2, 7, 7) + 1)
    values = torch.randn(3, 2, 7, 7)
    expected = model.eval()(values).detach()
    for name in ("onnxscript", "onnx_ir", "torch.onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (values,),
            str(tmp_path / "ghost.onnx"),
            input_names=["values"],
            opset_version=20,
            external_data=False,
            verbose=False,
        )
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "folded.onnx")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(tmp_path / "ghost.onnx"), options)
    found = session.run(None, {"values": values.numpy()})[0]
    assert np.abs(found - expected.numpy()).max() < 1e-4
    operators = {node.op_type for node in onnx.load(tmp_path / "folded.onnx").graph.node}
    assert "BatchNormalization" not in operators
    assert "Split" not in operators


def test_removing_leaves_torch_s_own_with_what_was_learned():
    model = convolutions()
    parameters = list(model.parameters())
    assert apply_ghost_norm(model, 4) == 2
    assert type(model[1]) is GhostBatchNorm2d
    model(torch.randn(16, 2, 7, 7))
    values = torch.randn(3, 2, 7, 7)
    expected = model.eval()(values)
    remove_ghost_norm(model)
    assert type(model[1]) is nn.BatchNorm2d
    assert torch.equal(model(values), expected)
    assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("model", "ghost", "problem"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)), 4, "no batch normalisation"),
        (nn.Sequential(nn.BatchNorm1d(2)), 1, "at least 2"),
        (nn.Sequential(nn.BatchNorm1d(2, momentum=None)), 4, "momentum=None"),
    ],
)
def test_where_it_makes_no_sense_it_is_refused(model, ghost, problem):
    with pytest.raises(ConfigurationError, match=problem):
        apply_ghost_norm(model, ghost)
