"""From torch to ONNX, float and int8."""

import numpy as np
import pytest
import torch
from onnx.checker import ValidationError

from gateway.tiers.large.export import export_float, quantise
from gateway.tiers.large.network import FieldTagger, load_encoder
from gateway.tiers.student import onnx_tagger


@pytest.fixture(scope="module")
def network(tiny_base):
    torch.manual_seed(0)
    return FieldTagger(load_encoder(tiny_base), 3).eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "float.onnx"
    export_float(network, path)
    return path


def inputs(rows, columns):
    ids = np.random.default_rng(rows + columns).integers(5, 100, (rows, columns))
    mask = np.ones_like(ids)
    mask[0, columns // 2 + 1 :] = 0
    return ids, mask


@pytest.mark.parametrize("shape", [(1, 3), (2, 16), (5, 40), (1, 512)])
def test_any_batch_and_length_gives_what_torch_gives(network, exported, shape):
    ids, mask = inputs(*shape)
    with torch.inference_mode():
        expected = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    logits = onnx_tagger(exported, 1)(ids, mask)
    assert logits.shape == (*shape, 3, 3)
    assert np.allclose(logits, expected, atol=1e-4)


def test_padding_changes_nothing(exported):
    ids, mask = inputs(2, 16)
    tagger = onnx_tagger(exported, 1)
    other = np.where(mask == 1, ids, 7)
    kept = mask == 1
    assert np.allclose(tagger(ids, mask)[kept], tagger(other, mask)[kept], atol=1e-5)


def test_int8_is_smaller_and_near(exported, tmp_path):
    quantise(exported, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 0.8 * exported.stat().st_size
    ids, mask = inputs(1, 40)
    full, small = (onnx_tagger(path, 1)(ids, mask) for path in (exported, tmp_path / "int8.onnx"))
    assert 0 < np.abs(full - small).max() < 0.2 * np.abs(full).max()
    assert [path.name for path in tmp_path.iterdir()] == ["int8.onnx"]


def test_a_failed_export_leaves_nothing(tmp_path):
    class Untraceable(torch.nn.Module):
        encoder = None

        def forward(self, ids, mask):
            raise ZeroDivisionError

    with pytest.raises(torch.onnx.errors.OnnxExporterError):
        export_float(Untraceable(), tmp_path / "float.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(ValidationError):
        quantise(tmp_path / "broken.onnx", tmp_path / "int8.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.onnx"]
