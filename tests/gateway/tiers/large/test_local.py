"""The local large tier in its modes, from a base in the cache."""

import importlib.util
import logging

import pytest

from gateway.document import Document
from gateway.errors import ModelCorrupt, ModelMissing
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.forms import Forms, KnownValues
from gateway.tiers.large.local import build_int8, built_path, load_large
from tests.gateway.tiers.tiny import TASK

DOCUMENT = Document("KEDAI MELUR\nTOTAL RM 9.00")


@pytest.fixture
def adapter(write_adapter, random_adapter):
    return write_adapter(random_adapter)


@pytest.fixture
def load(adapter, base, tmp_path):
    def call(**options):
        return load_large(adapter, TASK, options.pop("forms", Forms()), base, tmp_path / "cache", threads=1, **options)

    return call


def scores(tier):
    """Probabilities of a document's tokens."""
    return tier.probabilities([tier.encoder.encode(DOCUMENT.text)])[0]


def test_modes_agree(load):
    exact, half = scores(load(mode="fp32")), scores(load(mode="bf16"))
    assert exact.shape == half.shape
    assert 0 < abs(exact - half).max() < 0.1
    tier = load(mode="fp32")
    assert (tier.name, tier.mode) == ("large", "fp32")
    assert tier.propose([DOCUMENT], ["shop"])[0].work.tokens == len(exact)


def test_versions_tell_modes_and_forms_apart(load):
    versions = [
        load(mode="fp32").version,
        load(mode="bf16").version,
        load(mode="fp32", forms=Forms({"shop": KnownValues({"a": "A"})})).version,
    ]
    assert len(set(versions)) == 3
    assert load(mode="fp32").version == versions[0]


def test_int8_is_built_once_and_then_needs_no_torch(load, adapter, base, tmp_path, monkeypatch, caplog):
    exact = scores(load(mode="fp32"))
    path = built_path(adapter, tmp_path / "cache", base)
    assert not path.exists()
    assert abs(exact - scores(load())).max() < 0.2
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.int8.onnx", "model.int8.sha256"]

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    built = path.stat().st_mtime_ns
    assert load().mode == "int8"
    assert path.stat().st_mtime_ns == built
    with pytest.raises(
        ModelMissing, match=r"torch, transformers, safetensors not installed: .*cascade-gateway\[large\]"
    ):
        load(mode="fp32")

    path.write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING), pytest.raises(ModelMissing, match="not installed"):
        build_int8(adapter, tmp_path / "cache", base)
    assert "damaged" in caplog.text


def test_another_adapter_is_another_build(adapter, base, tmp_path, write_adapter, random_adapter):
    before = built_path(adapter, tmp_path, base)
    random_adapter["head.bias"] += 1
    assert built_path(write_adapter(random_adapter), tmp_path, base) != before


def test_a_base_that_is_not_there_or_changed_is_refused(load, tmp_path):
    weights = tmp_path / "cache" / "bases" / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x01"[:1])
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelCorrupt, match="expected"):
        load(mode="fp32")
    weights.unlink()
    with pytest.raises(ModelMissing, match="cascade models fetch"):
        load(mode="fp32")
    with pytest.raises(ModelMissing, match="cascade models fetch"):
        load()


def test_an_adapter_of_another_base_is_refused(write_adapter, random_adapter, load):
    write_adapter(random_adapter, base_sha256="0" * 64)
    with pytest.raises(ModelCorrupt, match="made for another base"):
        load()


def test_a_broken_adapter_is_corrupt_whatever_breaks(write_adapter, random_adapter, load):
    del random_adapter["head.bias"]
    write_adapter(random_adapter)
    with pytest.raises(ModelCorrupt, match="cannot be loaded"):
        load(mode="fp32")


def test_an_adapter_of_another_task_is_refused(adapter, base, tmp_path):
    other = TaskSpec("other", {"shop": FieldSpec("shop", "text")})
    with pytest.raises(ModelCorrupt, match='trained for field "total"'):
        load_large(adapter, other, Forms(), base, tmp_path / "cache", mode="fp32")
